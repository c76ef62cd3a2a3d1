import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { KeyRing } from './key-ring.ts';

/** Authenticated encryption of records: a reader of the store learns nothing, and cannot move a record to another key. */
export type Envelopes = {
  /** Encrypts a text or bytes. The envelope opens only with the same `context`. */
  seal(plaintext: string | Buffer, context: string): Buffer;
  /**
   * Decrypts a text; returns undefined if the envelope is not authentic for this context. Throws {@link UnknownKeyError} if
   * the envelope names a key that this process does not have.
   */
  open(envelope: Buffer, context: string): string | undefined;
  /** Does the same for bytes. */
  openBytes(envelope: Buffer, context: string): Buffer | undefined;
};

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

/**
 * AES-256-GCM envelopes: `version (1) · key id (4) · iv (12) · ciphertext · tag (16)`.
 * The header and the context are the associated data, so an envelope with another context or another key id does not open.
 * The iv is random; a key must not seal more than 2^32 values (NIST SP 800-38D, section 8.3).
 */
export function createEnvelopes(keyRing: KeyRing): Envelopes {
  const openBytes: Envelopes['openBytes'] = (envelope, context) => {
    if (envelope.length < HEADER_BYTES + TAG_BYTES || envelope.readUInt8(0) !== VERSION) return undefined;
    const keyId = envelope.readUInt32BE(1);
    const key = keyRing.find('session-record', keyId);
    if (key === undefined) throw new UnknownKeyError(keyId);
    const header = envelope.subarray(0, HEADER_BYTES);
    const tagAt = envelope.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key.secret, header.subarray(5), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
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
    seal(plaintext, context) {
      const key = keyRing.current('session-record');
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt8(VERSION, 0);
      header.writeUInt32BE(key.id, 1);
      randomBytes(IV_BYTES).copy(header, 5);
      const cipher = createCipheriv('aes-256-gcm', key.secret, header.subarray(5), {
        authTagLength: TAG_BYTES,
      });
      cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
      const text = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext;
      return Buffer.concat([header, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    },
    open: (envelope, context) => openBytes(envelope, context)?.toString(),
    openBytes,
  };
}
