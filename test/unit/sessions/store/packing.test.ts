import { describe, expect, it } from 'vitest';
import { createPacker, payloadOf, unpack } from '../../../../src/sessions/store/record/packing.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64url');
const jwt = (payload: string) => `${base64('{"alg":"RS256"}')}.${base64(payload)}.${base64('signature')}`;

describe('a packed token', () => {
  it.each([
    ['a JWT', jwt('{"sub":"ada"}')],
    ['a JWE', ['header', '', 'iv', 'ciphertext', 'tag'].map(base64).join('.')],
    ['one without a signature', `${base64('{}')}.${base64('{}')}.`],
    ['nothing', ''],
    ['an opaque one', 'mF_9.B5f-4.1JqM'],
    ['base64 with padding', 'YQ==.YQ==.YQ=='],
    ['bits that mean nothing to a decoder', 'YR.YR.YR'],
    ['characters of no alphabet', 'ü.ü.ü'],
    ['dots alone', '....'],
    ['two parts', `${base64('a')}.${base64('b')}`],
  ])('is restored exactly: %s', (_what, token) => {
    const packer = createPacker();
    const before = packer.pack(jwt('{"sub":"before"}'));
    const packed = packer.pack(token);
    const after = packer.pack(jwt('{"sub":"after"}'));
    const bytes = packer.bytes();
    expect(unpack(packed, bytes)).toBe(token);
    expect([before, after].map((other) => payloadOf(other, bytes))).toEqual([
      '{"sub":"before"}',
      '{"sub":"after"}',
    ]);
  });

  it('takes a quarter less space', () => {
    const packer = createPacker();
    const token = jwt(JSON.stringify({ sub: 'a'.repeat(1_000) }));
    const packed = JSON.stringify(packer.pack(token)).length + packer.bytes().length;
    expect(packed / token.length).toBeLessThan(0.78);
  });

  it('reveals its payload only when it is a JWT', () => {
    const packer = createPacker();
    const packed = packer.pack(jwt('{"sub":"ünï"}'));
    expect(payloadOf(packed, packer.bytes())).toBe('{"sub":"ünï"}');
    expect(payloadOf('opaque', packer.bytes())).toBeUndefined();
  });
});
