import { createDecipheriv, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deriveContextKey } from '../../../src/crypto/context-key.ts';
import { createEnvelopes, UnknownKeyError } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { sealPreviousFormat } from '../../../testkit/secrets/previous-envelope.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';
const context = 'coatcheck:session:a';
const text = '{"refreshToken":"canary-refresh-token"}';

/** The bits of an envelope that name its key. */
const KEY_ID_BITS = Array.from({ length: 32 }, (_, at) => 8 + at);

const envelopes = createEnvelopes(createKeyRing([newer, older]));

/** Opens an envelope with a given key, written apart from the product. */
function openWith(key: KeyObject, envelope: Buffer, associated: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, envelope.subarray(5, 17), { authTagLength: 16 });
  decipher.setAAD(Buffer.concat([envelope.subarray(0, 17), Buffer.from(associated)]));
  decipher.setAuthTag(envelope.subarray(-16));
  return decipher.update(envelope.subarray(17, -16)).toString() + decipher.final().toString();
}

describe('an envelope', () => {
  it.each(['', text, 'ünï · 💶', 'x'.repeat(100_000)])('an envelope opens to the sealed text', (plain) => {
    expect(envelopes.open(envelopes.seal(plain, context), context)).toBe(plain);
  });

  it('an envelope reveals nothing of its content and differs each time (E5)', () => {
    const [one, two] = [envelopes.seal(text, context), envelopes.seal(text, context)];
    expect(one.toString('latin1')).not.toContain('canary');
    expect(one.subarray(5, 17)).not.toEqual(two.subarray(5, 17));
    expect(one.subarray(17)).not.toEqual(two.subarray(17));
  });

  it('an envelope does not open in another context (E5)', () => {
    const envelope = envelopes.seal(text, context);
    expect(envelopes.open(envelope, 'coatcheck:session:b')).toBeUndefined();
    expect(envelopes.open(envelope, '')).toBeUndefined();
  });

  it('an envelope does not open with other associated values, or the same ones divided in another way (E5)', () => {
    const envelope = envelopes.seal(text, context, [1, 20]);
    expect(envelopes.open(envelope, context, [1, 20])).toBe(text);
    for (const associated of [[], [1], [1, 21], [2, 20], [20, 1], [1, 20, 0], ['1', 20], [12, 0], ['1,20']])
      expect(envelopes.open(envelope, context, associated)).toBeUndefined();
  });

  it('an envelope has a key of its own: with the key of the ring, nothing opens (E5)', () => {
    const envelope = envelopes.seal(text, context);
    const key = createKeyRing([newer]).current('envelope').secret;
    for (const [associated, secret] of [
      [JSON.stringify([context]), key],
      [JSON.stringify([context]), deriveContextKey(key, 'coatcheck:session:b')],
    ] as const)
      expect(() => openWith(secret, envelope, associated)).toThrow('unable to authenticate');
    expect(openWith(deriveContextKey(key, context), envelope, JSON.stringify([context]))).toBe(text);
  });

  it('an envelope of the previous format opens, whatever stands beside it, and is not written any more', () => {
    const previous = sealPreviousFormat(createKeyRing([older]), text, context);
    expect(envelopes.open(previous, context, [1, 20])).toBe(text);
    expect(envelopes.open(previous, 'coatcheck:session:b')).toBeUndefined();
    expect(envelopes.isPreviousFormat(previous)).toBe(true);
    expect(envelopes.isPreviousFormat(previous.subarray(0, 20))).toBe(false);
    expect(envelopes.isPreviousFormat(envelopes.seal(text, context))).toBe(false);
  });

  it('an envelope names an unknown secret to a process that knows only the previous format, which keeps the session', () => {
    const keyRing = createKeyRing([newer, older]);
    const envelope = envelopes.seal(text, context);
    expect(envelope.readUInt8(0)).toBe(1);
    expect(keyRing.find('session-record', envelope.readUInt32BE(1))).toBeUndefined();
  });

  it('an envelope does not open with any single bit changed (E5)', () => {
    const envelope = envelopes.seal(text, context);
    const opened = Array.from({ length: envelope.length * 8 }, (_, bit) => {
      const changed = Buffer.from(envelope);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      try {
        return envelopes.open(changed, context);
      } catch (error) {
        return error instanceof UnknownKeyError && KEY_ID_BITS.includes(bit) ? undefined : error;
      }
    });
    expect(opened.filter((plain) => plain !== undefined)).toEqual([]);
  });

  it('an envelope does not open when truncated or extended', () => {
    const envelope = envelopes.seal(text, context);
    for (let length = 0; length < envelope.length; length += 1)
      expect(envelopes.open(envelope.subarray(0, length), context)).toBeUndefined();
    expect(envelopes.open(Buffer.concat([envelope, Buffer.of(0)]), context)).toBeUndefined();
  });

  it('an envelope distinguishes header and context in its associated data', () => {
    const envelope = envelopes.seal(text, `b${context}`);
    expect(envelopes.open(Buffer.concat([envelope, Buffer.from('b')]), context)).toBeUndefined();
    expect(envelopes.open(envelope, context)).toBeUndefined();
  });

  it('an envelope opens with an older secret while it is configured (E6)', () => {
    const keyRing = createKeyRing([older]);
    const rotating = createEnvelopes(keyRing);
    const envelope = rotating.seal(text, context);
    keyRing.replace([newer, older]);
    expect(rotating.open(envelope, context)).toBe(text);
    const rewritten = rotating.seal(text, context);
    const { id } = keyRing.all('envelope')[1] ?? { id: 0 };
    keyRing.replace([newer]);
    expect(() => rotating.open(envelope, context)).toThrow(new UnknownKeyError(id));
    expect(rotating.open(rewritten, context)).toBe(text);
  });

  it('an envelope does not open with a known key other than the one it names', () => {
    const keyRing = createKeyRing([newer, older]);
    const envelope = envelopes.seal(text, context);
    const [, other] = keyRing.all('envelope');
    envelope.writeUInt32BE(other?.id ?? 0, 1);
    expect(envelopes.open(envelope, context)).toBeUndefined();
  });
});
