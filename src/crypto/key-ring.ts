import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/** What a key is for. Keys of two purposes are unrelated: what one sealed, the other cannot open. */
export type KeyPurpose =
  'session-record' | 'session-cookie' | 'login-cookie' | 'decoupled-cookie' | 'blind-index';

/**
 * One derived key with the number that names it in what it sealed. An object and not its bytes: Node.js 24 takes 12 µs to
 * find out that bytes are not one, at every use.
 */
export type Key = { readonly id: number; readonly secret: KeyObject };

/** The secrets of the deployment, the first of which writes while all of them read. */
export type KeyRing = {
  /** The key that writes. */
  current(purpose: KeyPurpose): Key;
  /** The key with this number, or undefined when its secret is not (or no longer) configured. */
  find(purpose: KeyPurpose, id: number): Key | undefined;
  /** All keys of a purpose, the writing one first. */
  all(purpose: KeyPurpose): readonly Key[];
  /** Puts new secrets in place: what was sealed with a removed secret cannot be opened any more. */
  replace(secrets: readonly string[]): void;
};

/**
 * Derives the keys of every purpose from the configured secrets by HKDF-SHA-256 (RFC 5869).
 * A key's number is derived from its secret, so it stays the same when secrets are added before it or taken away.
 */
export function createKeyRing(secrets: readonly string[]): KeyRing {
  const derive = (from: readonly string[]) => ({
    'session-record': from.map((secret) => deriveKey(secret, 'session-record')),
    'session-cookie': from.map((secret) => deriveKey(secret, 'session-cookie')),
    'login-cookie': from.map((secret) => deriveKey(secret, 'login-cookie')),
    'decoupled-cookie': from.map((secret) => deriveKey(secret, 'decoupled-cookie')),
    'blind-index': from.map((secret) => deriveKey(secret, 'blind-index')),
  });
  let keys = derive(secrets);

  return {
    current(purpose) {
      const [first] = keys[purpose];
      if (first === undefined) throw new Error('the key ring needs at least one secret');
      return first;
    },
    find: (purpose, id) => keys[purpose].find((key) => key.id === id),
    all: (purpose) => keys[purpose],
    replace(next) {
      keys = derive(next);
    },
  };
}

function deriveKey(secret: string, purpose: KeyPurpose): Key {
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', `coatcheck/1/${purpose}`, 32));
  const id = Buffer.from(hkdfSync('sha256', secret, '', `coatcheck/1/${purpose}/id`, 4)).readUInt32BE() >>> 1;
  return { id, secret: createSecretKey(bytes) };
}
