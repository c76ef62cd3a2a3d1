import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { deriveContextKey } from './context-key.ts';
import type { KeyRing } from './key-ring.ts';

/** Authenticated encryption of records: a reader of the store learns nothing, and cannot move a record to another key. */
export type Envelopes = {
  /** Encrypts a text or bytes. The envelope opens only with the same `context` and the same associated values. */
  seal(plaintext: string | Buffer, context: string, associated?: Associated): Buffer;
  /**
   * Decrypts a text; returns undefined if the envelope is not authentic for this context. Throws {@link UnknownKeyError} if
   * the envelope names a key that this process does not have.
   */
  open(envelope: Buffer, context: string, associated?: Associated): string | undefined;
  /** Does the same for bytes. */
  openBytes(envelope: Buffer, context: string, associated?: Associated): Buffer | undefined;
  /** True for an envelope of the format before this one, which does not authenticate associated values. */
  isPreviousFormat(envelope: Buffer): boolean;
};

/** Values that are stored beside an envelope in the clear, and authenticated with it. */
export type Associated = readonly (string | number)[];

/** An envelope names a key that this process does not have. Another process may have it, or the secret was removed. */
export class UnknownKeyError extends Error {
  override readonly name = 'UnknownKeyError';
  readonly keyId: number;

  constructor(keyId: number) {
    super(`no session secret of this process has the key id ${keyId}`);
    this.keyId = keyId;
  }
}

const VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + 4 + IV_BYTES;

/** The key of an envelope, and its associated data after the header. */
type Sealing = { readonly key: KeyObject; readonly associatedData: Buffer };

/**
 * AES-256-GCM envelopes: `version (1) · key id (4) · iv (12) · ciphertext · tag (16)`. The header, the context and the associated
 * values are the associated data. The key is derived for the context, so that a random iv is enough: a record is written some
 * thousands of times in its life, far from the 2^32 that one key may seal (NIST SP 800-38D, section 8.3).
 *
 * The previous format differs in its keys, and so in its key ids, and not in its first byte. A process that knows only that
 * format therefore takes a new record for one of a secret that it does not have, and keeps the session.
 */
export function createEnvelopes(keyRing: KeyRing): Envelopes {
  const previousKey = (keyId: number) => keyRing.find('session-record', keyId)?.secret;

  const sealingOf = (keyId: number, context: string, associated: Associated): Sealing => {
    const key = keyRing.find('envelope', keyId);
    if (key !== undefined) return currentSealing(key.secret, context, associated);
    const previous = previousKey(keyId);
    if (previous === undefined) throw new UnknownKeyError(keyId);
    return { key: previous, associatedData: Buffer.from(context) };
  };

  const openBytes: Envelopes['openBytes'] = (envelope, context, associated = []) => {
    if (!isWhole(envelope)) return undefined;
    const { key, associatedData } = sealingOf(keyIdOf(envelope), context, associated);
    const header = envelope.subarray(0, HEADER_BYTES);
    const tagAt = envelope.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, header.subarray(5), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([header, associatedData]));
    decipher.setAuthTag(envelope.subarray(tagAt));
    try {
      const plaintext = decipher.update(envelope.subarray(HEADER_BYTES, tagAt));
      // In GCM mode, `final` returns no bytes: it only verifies the tag.
      decipher.final();
      return plaintext;
    } catch {
      return undefined;
    }
  };

  return {
    seal(plaintext, context, associated = []) {
      const { id, secret } = keyRing.current('envelope');
      const { key, associatedData } = currentSealing(secret, context, associated);
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt8(VERSION, 0);
      header.writeUInt32BE(id, 1);
      randomBytes(IV_BYTES).copy(header, 5);
      const cipher = createCipheriv('aes-256-gcm', key, header.subarray(5), { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.concat([header, associatedData]));
      const text = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext;
      return Buffer.concat([header, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    },
    open: (...args) => openBytes(...args)?.toString(),
    openBytes,
    isPreviousFormat: (envelope) => isWhole(envelope) && previousKey(keyIdOf(envelope)) !== undefined,
  };
}

function currentSealing(secret: KeyObject, context: string, associated: Associated): Sealing {
  return {
    key: deriveContextKey(secret, context),
    // SECURITY: JSON delimits the values, so that different lists of values are never the same bytes.
    associatedData: Buffer.from(JSON.stringify([context, ...associated])),
  };
}

function isWhole(envelope: Buffer): boolean {
  return envelope.length >= HEADER_BYTES + TAG_BYTES && envelope.readUInt8(0) === VERSION;
}

function keyIdOf(envelope: Buffer): number {
  return envelope.readUInt32BE(1);
}
