import { describe, expect, it } from 'vitest';
import { createEnvelopes, UnknownKeyError } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';
const context = 'coatcheck:session:a';
const text = '{"refreshToken":"canary-refresh-token"}';

/** The bits of an envelope that name its key. */
const KEY_ID_BITS = Array.from({ length: 32 }, (_, at) => 8 + at);

const envelopes = createEnvelopes(createKeyRing([newer, older]));

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
    const { id } = keyRing.all('session-record')[1] ?? { id: 0 };
    keyRing.replace([newer]);
    expect(() => rotating.open(envelope, context)).toThrow(new UnknownKeyError(id));
    expect(rotating.open(rewritten, context)).toBe(text);
  });

  it('an envelope does not open with a known key other than the one it names', () => {
    const keyRing = createKeyRing([newer, older]);
    const envelope = envelopes.seal(text, context);
    const [, other] = keyRing.all('session-record');
    envelope.writeUInt32BE(other?.id ?? 0, 1);
    expect(envelopes.open(envelope, context)).toBeUndefined();
  });
});
