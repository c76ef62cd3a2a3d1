import { createHmac } from 'node:crypto';
import type { Key, KeyRing } from './key-ring.ts';

/**
 * Names under which things are found again by who knows what they are about. To anybody else they say nothing: people's
 * identifiers are short and few enough to be tried out, so a plain hash would not hide them.
 */
export type BlindIndex = {
  /** The name to write under. */
  name(about: readonly string[]): string;
  /** Every name it may have been written under: one for each secret still known, that of the writing one first. */
  names(about: readonly string[]): string[];
};

/** As long as names have to be for no two of them to be alike, in characters of base64url: 132 bits. */
const LENGTH = 22;

/** Names by HMAC-SHA-256 under keys of their own. They last as long as the secret, as all that was sealed with it does. */
export function createBlindIndex(keyRing: KeyRing): BlindIndex {
  const nameBy = (key: Key, about: readonly string[]) =>
    // SECURITY: JSON keeps the parts apart, so that none of them can end in what the next begins with.
    createHmac('sha256', key.secret).update(JSON.stringify(about)).digest('base64url').slice(0, LENGTH);
  return {
    name: (about) => nameBy(keyRing.current('blind-index'), about),
    names: (about) => keyRing.all('blind-index').map((key) => nameBy(key, about)),
  };
}
