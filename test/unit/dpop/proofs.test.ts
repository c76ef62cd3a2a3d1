import { createHash } from 'node:crypto';
import { decodeJwt, EmbeddedJWK, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { createDpopKey, importDpopKey } from '../../../src/dpop/key.ts';
import { createDpopProofs } from '../../../src/dpop/proofs.ts';

const NOW_MS = 1_800_000_000_500;
const key = createDpopKey();
const request = {
  key,
  method: 'POST',
  url: 'https://api.example.com/items',
  accessToken: 'at-1',
  nonce: undefined,
};

const hashOf = (token: string) => createHash('sha256').update(token).digest('base64url');

describe('a DPoP proof', () => {
  it('names the request, the time, the token and the public key, and is signed with the key (standards: H2)', async () => {
    const proof = createDpopProofs(() => NOW_MS).create(request);
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      currentDate: new Date(NOW_MS),
    });
    expect(protectedHeader).toEqual({
      alg: 'ES256',
      typ: 'dpop+jwt',
      jwk: importDpopKey(key).publicJwk,
    });
    expect(payload).toEqual({
      jti: expect.stringMatching(/^[\w-]{36}$/),
      htm: 'POST',
      htu: 'https://api.example.com/items',
      iat: 1_800_000_000,
      ath: hashOf('at-1'),
    });
  });

  it('has the given nonce', () => {
    expect(decodeJwt(createDpopProofs(() => NOW_MS).create({ ...request, nonce: 'one' }))['nonce']).toBe(
      'one',
    );
  });

  it('has an identifier of its own each time', () => {
    const proofs = createDpopProofs(() => NOW_MS);
    const identifiers = Array.from({ length: 100 }, () => decodeJwt(proofs.create(request)).jti);
    expect(new Set(identifiers).size).toBe(100);
  });

  it('has the hash of the token of its request, whatever the token before it (standards: G25)', () => {
    const proofs = createDpopProofs(() => NOW_MS);
    const tokens = ['at-1', 'at-2', 'at-1', 'at-1'];
    const hashes = tokens.map((accessToken) => decodeJwt(proofs.create({ ...request, accessToken }))['ath']);
    expect(hashes).toEqual(tokens.map(hashOf));
  });

  it('has the key of its session, however many there are', async () => {
    let nowMs = NOW_MS;
    const proofs = createDpopProofs(() => nowMs);
    const keys = [createDpopKey(), createDpopKey(), createDpopKey()];
    // The second half after the unused keys are forgotten.
    for (const [at, each] of [...keys, ...keys, ...keys, ...keys].entries()) {
      if (at >= 6) nowMs += 700_000;
      const { protectedHeader } = await jwtVerify(proofs.create({ ...request, key: each }), EmbeddedJWK);
      expect(protectedHeader.jwk).toEqual(importDpopKey(each).publicJwk);
    }
  });
});
