import { createPublicKey, type KeyObject } from 'node:crypto';

/**
 * True for two private keys with the same public part, for two equal public keys, and for two equal secret keys.
 *
 * `KeyObject.equals` of Node.js 24 leaves an error behind when the kinds of the keys differ, and the next
 * `createPrivateKey` throws it.
 */
export function isSameKey(one: KeyObject, other: KeyObject): boolean {
  if (one.type !== other.type) return false;
  return bytesOf(one).equals(bytesOf(other));
}

function bytesOf(key: KeyObject): Buffer {
  if (key.type === 'secret') return key.export();
  const publicPart = key.type === 'private' ? createPublicKey(key) : key;
  return publicPart.export({ type: 'spki', format: 'der' });
}
