import { createHmac } from 'node:crypto';
import { createKeyRing, type KeyRing } from './key-ring.ts';

/**
 * Replaces an identifier by keyed hashes, for texts that must not reveal it: one for each configured secret, that of the
 * current secret first. With a key of its own there is one hash, which outlives a rotation of the secrets.
 */
export type Pseudonyms = (values: readonly string[], ownKey?: string) => readonly [string, ...string[]];

/** The length of a hash, in characters of base64url: 132 bits, enough to be unique. */
const LENGTH = 22;

/** HMAC-SHA-256: without a key, the few and short identifiers of people could be guessed from their hashes. */
export function createPseudonyms(keyRing: KeyRing): Pseudonyms {
  let own: { readonly text: string; readonly keyRing: KeyRing } | undefined;
  const ringOf = (ownKey: string | undefined) => {
    if (ownKey === undefined) return keyRing;
    if (own?.text !== ownKey) own = { text: ownKey, keyRing: createKeyRing([ownKey]) };
    return own.keyRing;
  };
  return (values, ownKey) => {
    // SECURITY: JSON delimits the values, so that different lists of values cannot have the same hash.
    const text = JSON.stringify(values);
    const [first, ...others] = ringOf(ownKey)
      .all('audit')
      .map(({ secret }) => createHmac('sha256', secret).update(text).digest('base64url').slice(0, LENGTH));
    if (first === undefined) throw new Error('the key ring needs at least one secret');
    return [first, ...others];
  };
}
