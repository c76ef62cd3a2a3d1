import { createHmac } from 'node:crypto';
import type { Key, KeyRing } from './key-ring.ts';

/**
 * Keyed hashes of identifiers, for lookups in a store that must not reveal the identifiers. A plain hash would reveal them:
 * the identifiers of people are short and few enough to guess.
 */
export type BlindIndex = {
  /** The hash for writing. */
  name(values: readonly string[]): string;
  /** The hashes for reading: one for each configured secret, that of the current secret first. */
  names(values: readonly string[]): string[];
};

/** The length of a hash, in characters of base64url: 132 bits, enough to be unique. */
const LENGTH = 22;

/** HMAC-SHA-256 with keys for this purpose. A hash is valid as long as its secret is configured. */
export function createBlindIndex(keyRing: KeyRing): BlindIndex {
  const hashWith = (key: Key, values: readonly string[]) =>
    // SECURITY: JSON delimits the values, so that different lists of values cannot have the same hash.
    createHmac('sha256', key.secret).update(JSON.stringify(values)).digest('base64url').slice(0, LENGTH);
  return {
    name: (values) => hashWith(keyRing.current('blind-index'), values),
    names: (values) => keyRing.all('blind-index').map((key) => hashWith(key, values)),
  };
}
