import { exportJWK, generateKeyPair, SignJWT, type JWTHeaderParameters } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createIdTokenVerifier } from '../../../src/provider/id-token.ts';
import { answer, fetchFailed, type Behaviour } from './token-endpoint.ts';

const issuer = 'https://login.example.com';
const claims = { iss: issuer, aud: 'web', sub: 'ada', iat: 1_768_000_000, exp: 1_768_000_300 };

type Claims = Record<string, unknown>;
type Signer = { kid: string; privateKey: CryptoKey; jwk: Record<string, unknown> };

async function createSigner(kid: string, alg = 'ES256'): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

let signer: Signer;
let stranger: Signer;
beforeAll(async () => {
  [signer, stranger] = await Promise.all([createSigner('k1'), createSigner('k2')]);
});

function sign(payload: Claims, { kid, privateKey } = signer, header: Partial<JWTHeaderParameters> = {}) {
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(privateKey);
}

/** A verifier before a key set that behaves so, and what it asked for. */
function openVerifier(keySet: Behaviour = () => answer(200, { keys: [signer.jwk] }), algorithms = ['ES256']) {
  const asked: string[] = [];
  const verify = createIdTokenVerifier({
    metadata: {
      issuer,
      jwks_uri: `${issuer}/jwks`,
      id_token_signing_alg_values_supported: algorithms,
    },
    clientId: 'web',
    async fetch(url) {
      asked.push(url);
      return keySet();
    },
  });
  return { verify, asked };
}

describe('the ID token of a refresh', () => {
  it('is valid when it is signed by the issuer, for this client and about the same person (C20)', async () => {
    const { verify, asked } = openVerifier();
    const refreshed = { ...claims, name: 'Ada' };
    expect(await verify(await sign(refreshed), 'ada')).toEqual({ kind: 'valid', claims: refreshed });
    expect(await verify(await sign({ ...refreshed, aud: ['web'] }), 'ada')).toMatchObject({ kind: 'valid' });
    expect(asked).toEqual([`${issuer}/jwks`]);
  });

  it.each([
    ['of somebody else', { ...claims, sub: 'eve' }],
    ['of nobody', { ...claims, sub: undefined }],
    ['of another issuer', { ...claims, iss: 'https://login.example.com/' }],
    ['of no issuer', { ...claims, iss: undefined }],
    ['for another client', { ...claims, aud: 'other' }],
    ['for nobody', { ...claims, aud: undefined }],
    ['for another client besides (C5)', { ...claims, aud: ['web', 'other'] }],
  ])('is invalid when it is %s (C20)', async (_what, payload) => {
    const { verify } = openVerifier();
    expect(await verify(await sign(payload), 'ada')).toMatchObject({ kind: 'invalid' });
  });

  it('is invalid when it was signed by another key under the same name (C7)', async () => {
    const { verify } = openVerifier();
    const forged = await sign(claims, { ...stranger, kid: 'k1' });
    expect(await verify(forged, 'ada')).toMatchObject({ kind: 'invalid' });
  });

  it('is invalid when it has no signature, whatever it calls that (C8)', async () => {
    const { verify } = openVerifier();
    const [, payload] = (await sign(claims)).split('.');
    for (const alg of ['none', 'None', 'nOnE']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'k1' })).toString('base64url');
      expect(await verify(`${header}.${payload}.`, 'ada')).toMatchObject({ kind: 'invalid' });
    }
  });

  it('is invalid when it was signed symmetrically, even if the provider lists that (C8)', async () => {
    const { verify } = openVerifier(undefined, ['ES256', 'HS256', 'none']);
    const secret = new TextEncoder().encode(JSON.stringify(signer.jwk));
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    expect(await verify(forged, 'ada')).toMatchObject({ kind: 'invalid' });
  });

  it('is invalid when its algorithm is none that the provider announced (C8)', async () => {
    const { verify } = openVerifier(undefined, ['RS256']);
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'invalid' });
  });

  it('brings no key of its own (C8)', async () => {
    const { verify, asked } = openVerifier();
    const forged = await sign(claims, stranger, { jku: 'https://evil.test/jwks', jwk: stranger.jwk });
    expect(await verify(forged, 'ada')).toMatchObject({ kind: 'invalid' });
    expect(asked.filter((url) => url !== `${issuer}/jwks`)).toEqual([]);
  });

  it.each(['', 'x', 'a.b.c', '..', 'eyJhbGciOiJFUzI1NiJ9..'])('is invalid when it is %o', async (text) => {
    const { verify } = openVerifier();
    expect(await verify(text, 'ada')).toMatchObject({ kind: 'invalid' });
  });

  it('may be dated by a clock hours away, in either direction (G5)', async () => {
    const { verify } = openVerifier();
    const hour = 3_600;
    const now = Math.floor(Date.now() / 1000);
    for (const iat of [now - 5 * hour, now + 5 * hour]) {
      const dated = await sign({ ...claims, iat, nbf: iat, exp: iat + 60 });
      expect(await verify(dated, 'ada')).toMatchObject({ kind: 'valid' });
    }
  });
});

describe('a key set', () => {
  it('is read once for many tokens (C17)', async () => {
    const { verify, asked } = openVerifier();
    const token = await sign(claims);
    for (let round = 0; round < 5; round += 1) await verify(token, 'ada');
    expect(asked).toHaveLength(1);
  });

  it('is read again for a key it did not have, however fresh it is (C17)', async () => {
    const keys = [signer.jwk];
    const { verify, asked } = openVerifier(() => answer(200, { keys }));
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'valid' });
    keys.push(stranger.jwk);
    expect(await verify(await sign(claims, stranger), 'ada')).toMatchObject({ kind: 'valid' });
    expect(asked).toHaveLength(2);
  });

  it.each<[string, Behaviour]>([
    ['the network fails', () => fetchFailed('ECONNREFUSED')],
    ['it is not answered in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['the provider is down', () => answer(503, {})],
    ['the provider redirects', () => answer(302, '', { Location: 'https://evil.test/jwks' })],
    ['it is a page', () => answer(200, '<html>')],
    ['it is no key set', () => answer(200, { error: 'maintenance' })],
    ['it is empty JSON', () => answer(200, 'null')],
  ])('that cannot be had because %s says nothing of the token', async (_what, keySet) => {
    const { verify } = openVerifier(keySet);
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'unverifiable' });
  });

  it('that cannot be had now is asked for again with the next token', async () => {
    let isDown = true;
    const { verify } = openVerifier(() => (isDown ? answer(503, {}) : answer(200, { keys: [signer.jwk] })));
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'unverifiable' });
    isDown = false;
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'valid' });
  });

  it('finds the one key that fits a token that names none (C18)', async () => {
    const { verify } = openVerifier(() => answer(200, { keys: [{ kty: 'RSA', use: 'enc' }, signer.jwk] }));
    const unnamed = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(signer.privateKey);
    expect(await verify(unnamed, 'ada')).toMatchObject({ kind: 'valid' });
  });

  it('in which several keys fit a token that names none says nothing of the token (C18)', async () => {
    const { verify } = openVerifier(() => answer(200, { keys: [signer.jwk, stranger.jwk] }));
    const unnamed = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(signer.privateKey);
    expect(await verify(unnamed, 'ada')).toMatchObject({ kind: 'unverifiable' });
  });

  it('that has been read again has the last word on a key it still does not have (C7)', async () => {
    const { verify, asked } = openVerifier();
    expect(await verify(await sign(claims, stranger), 'ada')).toMatchObject({ kind: 'invalid' });
    expect(asked).toHaveLength(2);
  });

  it('that the provider does not name leaves every token unverifiable', async () => {
    const verify = createIdTokenVerifier({
      metadata: { issuer, id_token_signing_alg_values_supported: ['ES256'] },
      clientId: 'web',
      fetch: () => Promise.reject(new Error('nothing is to be fetched')),
    });
    expect(await verify(await sign(claims), 'ada')).toMatchObject({ kind: 'unverifiable' });
  });
});
