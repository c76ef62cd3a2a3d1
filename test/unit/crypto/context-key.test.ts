import { createSecretKey, hkdfSync, createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { deriveContextKey } from '../../../src/crypto/context-key.ts';

const secret = createSecretKey(Buffer.alloc(32, 7));

it('is the expansion of HKDF-SHA-256 (RFC 5869, section 2.3)', () => {
  // The whole of HKDF, whose extraction gives the same key: HMAC(salt, input).
  const [salt, input] = [Buffer.from('salt'), Buffer.from('input')];
  const extracted = createSecretKey(createHmac('sha256', salt).update(input).digest());
  const whole = Buffer.from(hkdfSync('sha256', input, salt, 'context', 32));
  expect(deriveContextKey(extracted, 'context').export()).toEqual(whole);
});

it('differs between contexts and between secrets', () => {
  const other = createSecretKey(Buffer.alloc(32, 8));
  const keys = [
    deriveContextKey(secret, 'a'),
    deriveContextKey(secret, 'b'),
    deriveContextKey(other, 'a'),
  ].map((key) => key.export().toString('hex'));
  expect(new Set(keys).size).toBe(3);
  expect(deriveContextKey(secret, 'a').export().toString('hex')).toBe(keys[0]);
});
