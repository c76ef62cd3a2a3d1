import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { jwk, pem, privateKeys, signingKinds } from '../keys.ts';
import { minimal, openIdProviderOf, problemsWith } from '../sample.ts';

const { clientSecret: _, ...withoutSecret } = minimal.provider;
const withKey = (privateKey: string) => ({
  provider: { ...withoutSecret, clientAuthentication: 'private_key_jwt', privateKey },
});
const read = (privateKey: string) =>
  openIdProviderOf(parseConfig({ ...minimal, ...withKey(privateKey) })).privateKey;

describe('a private key', () => {
  it.each(signingKinds)('a %s private key signs %s, as PEM and as a JWK', (kind, algorithm) => {
    for (const text of [pem(kind), jwk(kind)]) {
      const { key } = read(text) ?? {};
      expect(read(text)).toMatchObject({ algorithm, id: undefined });
      expect(key?.equals(privateKeys[kind]?.() ?? generateKeyPairSync('ed25519').privateKey)).toBe(true);
    }
  });

  it.each([
    ['rsa', 'PS256'],
    ['rsa', 'RS512'],
    ['ed25519', 'Ed25519'],
  ])('a %s private key signs %s when its JWK says so, and keeps the key id of the JWK', (kind, alg) => {
    expect(read(jwk(kind, { alg, kid: 'key-1' }))).toMatchObject({ algorithm: alg, id: 'key-1' });
  });

  it.each([
    ['an RSA key that is too short', pem('short rsa')],
    ['a curve that no algorithm of a JWS is for', pem('secp256k1')],
    ['a key that does not sign', pem('x25519')],
    ['an algorithm of another kind of key', jwk('P-256', { alg: 'RS256' })],
    ['a symmetric algorithm', jwk('rsa', { alg: 'HS256' })],
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' })],
    ['a public JWK', JSON.stringify(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }))],
    ['half a JWK', jwk('ed25519').slice(0, -9)],
    ['no key at all', 'hunter2'],
  ])('rejects a private key without revealing it: %s', (_what, text) => {
    const written = text.toString();
    const [problem = '', ...others] = problemsWith(withKey(written));
    expect(others).toEqual([]);
    expect(problem).toMatch(
      /^provider\.privateKey: expected an unencrypted private key, .* got a string of \d+ characters$/,
    );
    for (const line of written.split('\n').filter((part) => part.length > 3)) {
      expect(problem).not.toContain(line);
    }
  });

  it('rejects a private key with a passphrase', () => {
    const locked = privateKeys['ed25519']?.().export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'open sesame',
    });
    expect(problemsWith(withKey(String(locked)))).toEqual([
      expect.stringMatching(/expected an unencrypted private key/),
    ]);
  });
});
