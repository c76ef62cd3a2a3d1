import { createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hasSameSettings } from '../../../../src/config/same-settings.ts';
import { isSameKey } from '../../../../src/config/values/secrets/same-key.ts';
import { jwk, pem } from '../keys.ts';

const kinds = ['rsa', 'P-256', 'P-384', 'ed25519'];
const read = (kind: string) => createPrivateKey(pem(kind));

describe('the comparison of keys', () => {
  it.each(kinds)('takes a %s key in PEM and the same as a JWK for the same key', (kind) => {
    const other = createPrivateKey({ key: JSON.parse(jwk(kind)), format: 'jwk' });
    expect(isSameKey(read(kind), other)).toBe(true);
    expect(hasSameSettings({ key: read(kind) }, { key: other })).toBe(true);
  });

  it('leaves no error behind that makes reading the next key fail', () => {
    for (const kind of kinds) {
      for (const other of kinds.filter((each) => each !== kind)) {
        expect(isSameKey(read(kind), read(other))).toBe(false);
        expect(hasSameSettings(read(kind), read(other))).toBe(false);
        expect(() => read(kind)).not.toThrow();
      }
    }
  });

  it('tells private, public and secret keys apart', () => {
    const privateKey = read('ed25519');
    const publicKey = createPublicKey(privateKey);
    const secret = createSecretKey(Buffer.from('a'));
    expect(isSameKey(privateKey, publicKey)).toBe(false);
    expect(isSameKey(publicKey, createPublicKey(privateKey))).toBe(true);
    expect(isSameKey(secret, createSecretKey(Buffer.from('a')))).toBe(true);
    expect(isSameKey(secret, createSecretKey(Buffer.from('b')))).toBe(false);
    expect(isSameKey(secret, publicKey)).toBe(false);
  });
});
