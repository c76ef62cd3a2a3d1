import { createCipheriv, randomBytes } from 'node:crypto';
import type { KeyRing } from '../../src/crypto/key-ring.ts';

/** Seals an envelope as Coatcheck did before records had keys of their own: no associated values, one key for all. */
export function sealPreviousFormat(keyRing: KeyRing, plaintext: string | Buffer, context: string): Buffer {
  const { id, secret } = keyRing.current('session-record');
  const header = Buffer.alloc(17);
  header.writeUInt8(1, 0);
  header.writeUInt32BE(id, 1);
  randomBytes(12).copy(header, 5);
  const cipher = createCipheriv('aes-256-gcm', secret, header.subarray(5), { authTagLength: 16 });
  cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}
