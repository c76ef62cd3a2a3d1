import { createPublicKey } from 'node:crypto';
import {
  calculateJwkThumbprint,
  CompactEncrypt,
  createLocalJWKSet,
  decodeProtectedHeader,
  importJWK,
  jwtVerify,
} from 'jose';
import { describe, expect, it } from 'vitest';
import { createSigningKeys } from '../../../src/crypto/signing-keys.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { jwk, pem, privateKeys, publicJwk, signingKinds } from '../config/keys.ts';
import { minimal } from '../config/sample.ts';

type Given = { key: string; keyId?: string; use?: string };
const configured = (...keys: Given[]) => parseConfig({ ...minimal, keys }).keys;
const keysOf = (...keys: Given[]) => createSigningKeys(configured(...keys));

/** The members of a private key that its public part does not have (RFC 7518, section 6; RFC 8037). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

describe('the published key set', () => {
  it.each(signingKinds)('has the public members of a %s key only', (kind) => {
    for (const key of [pem(kind), jwk(kind)]) {
      const [published, ...others] = keysOf({ key }).jwks().keys;
      expect(others).toEqual([]);
      const { d } = JSON.parse(jwk(kind)) as { d: string };
      expect(JSON.stringify(published)).not.toContain(d);
      for (const member of PRIVATE_MEMBERS) expect(published).not.toHaveProperty(member);
      expect(createPublicKey({ key: { ...published }, format: 'jwk' })).toEqual(
        createPublicKey(String(privateKeys[kind]?.().export({ format: 'pem', type: 'pkcs8' }))),
      );
    }
  });

  it('names a key by keyId, or by the kid of its JWK, or by its thumbprint (RFC 7638)', async () => {
    const keys = keysOf(
      { key: jwk('P-256', { kid: 'of-the-jwk' }), keyId: 'configured' },
      { key: jwk('P-384', { kid: 'of-the-jwk' }) },
      { key: pem('ed25519') },
    );
    expect(keys.jwks().keys.map(({ kid }) => kid)).toEqual([
      'configured',
      'of-the-jwk',
      await calculateJwkThumbprint(publicJwk('ed25519')),
    ]);
  });

  it('names the algorithm of a key that has one only', () => {
    const { keys } = keysOf(
      { key: pem('rsa') },
      { key: pem('P-256') },
      { key: jwk('ed25519', { alg: 'Ed25519' }) },
    ).jwks();
    expect(keys.map(({ alg, use }) => [alg, use])).toEqual([
      [undefined, 'sig'],
      ['ES256', 'sig'],
      ['Ed25519', 'sig'],
    ]);
  });

  it('is empty without keys, and signing then fails', async () => {
    const keys = keysOf();
    expect(keys.jwks()).toEqual({ keys: [] });
    expect(keys.canSign()).toBe(false);
    await expect(keys.sign({})).rejects.toThrow('keys is empty');
  });
});

describe('signing', () => {
  it.each([
    ['rsa', 'RS256'],
    ['rsa', 'PS256'],
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
    ['ed25519', 'EdDSA'],
    ['ed25519', 'Ed25519'],
  ] as const)('with a %s key in PEM and %s verifies with the published key', async (kind, algorithm) => {
    const keys = keysOf({ key: pem(kind) }, { key: pem('P-256') === pem(kind) ? pem('rsa') : pem('P-256') });
    expect(keys.canSign()).toBe(true);
    const token = await keys.sign({ sub: 'alice' }, { algorithm, type: 'example+jwt' });
    const { protectedHeader, payload } = await jwtVerify(token, createLocalJWKSet(keys.jwks()), {
      algorithms: [algorithm],
    });
    expect(payload).toEqual({ sub: 'alice' });
    expect(protectedHeader).toEqual({
      alg: algorithm,
      kid: keys.jwks().keys[0]?.kid,
      typ: 'example+jwt',
    });
  });

  it('uses the usual algorithm of the key when none is named', async () => {
    expect(decodeProtectedHeader(await keysOf({ key: pem('rsa') }).sign({})).alg).toBe('RS256');
    expect(decodeProtectedHeader(await keysOf({ key: jwk('rsa', { alg: 'PS256' }) }).sign({})).alg).toBe(
      'PS256',
    );
  });

  it('rejects an algorithm that the key is not for', async () => {
    await expect(keysOf({ key: pem('P-256') }).sign({}, { algorithm: 'PS256' })).rejects.toThrow(
      'cannot sign with PS256',
    );
    const bound = keysOf({ key: jwk('rsa', { alg: 'PS256' }) });
    await expect(bound.sign({}, { algorithm: 'RS256' })).rejects.toThrow('cannot sign with RS256');
  });

  it('goes on with the new first key after a replacement, and publishes both', async () => {
    const keys = keysOf({ key: pem('rsa'), keyId: 'old' });
    const former = await keys.sign({ sub: 'alice' });
    keys.replace(configured({ key: pem('P-256'), keyId: 'new' }, { key: pem('rsa'), keyId: 'old' }));
    expect(decodeProtectedHeader(await keys.sign({})).kid).toBe('new');
    await expect(jwtVerify(former, createLocalJWKSet(keys.jwks()))).resolves.toBeDefined();
    keys.replace(configured({ key: pem('P-256'), keyId: 'new' }));
    await expect(jwtVerify(former, createLocalJWKSet(keys.jwks()))).rejects.toThrow(
      'no applicable key found',
    );
  });
});

describe('decryption', () => {
  const encrypt = async (alg: string, kind: string, header: object = {}) =>
    new CompactEncrypt(new TextEncoder().encode('inside'))
      .setProtectedHeader({ alg, enc: 'A256GCM', ...header })
      .encrypt(await importJWK(publicJwk(kind), alg));
  const keys = keysOf(
    { key: pem('ed25519') },
    { key: pem('P-256'), keyId: 'ec', use: 'enc' },
    { key: pem('rsa'), keyId: 'rsa', use: 'enc' },
    { key: pem('P-384'), keyId: 'sign' },
  );

  it('uses the key that the token names, or the first of its kind', async () => {
    expect(await keys.decrypt(await encrypt('ECDH-ES', 'P-256', { kid: 'ec' }))).toBe('inside');
    expect(await keys.decrypt(await encrypt('RSA-OAEP-256', 'rsa'))).toBe('inside');
    await expect(keys.decrypt(await encrypt('ECDH-ES', 'P-256', { kid: 'rsa' }))).rejects.toThrow(
      'none of keys can decrypt the token',
    );
  });

  it('uses no key for signing, and those for decryption sign nothing', async () => {
    await expect(keys.decrypt(await encrypt('ECDH-ES', 'P-384', { kid: 'sign' }))).rejects.toThrow(
      'none of keys can decrypt the token',
    );
    expect(keysOf({ key: pem('P-256'), use: 'enc' }).canSign()).toBe(false);
    expect(decodeProtectedHeader(await keys.sign({})).alg).toBe('EdDSA');
    expect(keys.jwks().keys.map(({ use, alg }) => [use, alg])).toEqual([
      ['sig', undefined],
      ['enc', undefined],
      ['enc', undefined],
      ['sig', 'ES384'],
    ]);
  });

  it('rejects a compressed token', async () => {
    await expect(keys.decrypt(await encrypt('ECDH-ES', 'P-256', { zip: 'DEF' }))).rejects.toThrow(
      'a compressed token is not accepted',
    );
  });
});
