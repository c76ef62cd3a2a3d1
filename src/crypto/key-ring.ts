import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * The purpose of a key. Keys of different purposes are unrelated: one cannot open what another has sealed. `session-record`
 * is that of the previous format of `envelope`, and only reads.
 */
export type KeyPurpose =
  | 'session-record'
  | 'envelope'
  | 'idle-limit'
  | 'session-cookie'
  | 'login-cookie'
  | 'decoupled-cookie'
  | 'step-up'
  | 'blind-index'
  | 'audit';

/**
 * A derived key, and its id in sealed values. The key is a `KeyObject` because Node.js 24 needs 12 µs more at every use of
 * a key in bytes.
 */
export type Key = { readonly id: number; readonly secret: KeyObject };

/** The keys of the configured secrets. The first secret is current and writes; all of them read. */
export type KeyRing = {
  /** The key for writing. */
  current(purpose: KeyPurpose): Key;
  /** The key with this id, or undefined if its secret is not configured (any more). */
  find(purpose: KeyPurpose, id: number): Key | undefined;
  /** All keys of a purpose, the current one first. */
  all(purpose: KeyPurpose): readonly Key[];
  /** Replaces the secrets. Values sealed with a removed secret no longer open. */
  replace(secrets: readonly string[]): void;
};

/**
 * Derives the keys of every purpose from the configured secrets by HKDF-SHA-256 (RFC 5869).
 * The id of a key is derived from its secret, so it does not change when other secrets are added or removed.
 */
export function createKeyRing(secrets: readonly string[]): KeyRing {
  const derive = (from: readonly string[]) => ({
    'session-record': from.map((secret) => deriveKey(secret, 'session-record')),
    envelope: from.map((secret) => deriveKey(secret, 'envelope')),
    'idle-limit': from.map((secret) => deriveKey(secret, 'idle-limit')),
    'session-cookie': from.map((secret) => deriveKey(secret, 'session-cookie')),
    'login-cookie': from.map((secret) => deriveKey(secret, 'login-cookie')),
    'decoupled-cookie': from.map((secret) => deriveKey(secret, 'decoupled-cookie')),
    'step-up': from.map((secret) => deriveKey(secret, 'step-up')),
    'blind-index': from.map((secret) => deriveKey(secret, 'blind-index')),
    audit: from.map((secret) => deriveKey(secret, 'audit')),
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
