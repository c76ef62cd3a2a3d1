import { errors, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createKeySet, KeySetError } from '../../../../src/provider/oidc/key-set.ts';
import { createTestClock } from '../../clock.ts';
import { fixedSigning } from '../fixed-signing.ts';
import { createSigningKey, type SigningKey } from '../signing-key.ts';
import { jsonResponse, fetchFailed, type Behaviour } from '../token-endpoint.ts';

const issuer = 'https://login.example.com';
const claims = { iss: issuer, aud: 'web', sub: 'ada' };

let own: SigningKey;
let next: SigningKey;
beforeAll(async () => {
  [own, next] = await Promise.all([createSigningKey('k1'), createSigningKey('k2')]);
});

/** A key set with this JWKS response, and the requested URLs. */
function openKeySet(
  publish: Behaviour = () => jsonResponse(200, { keys: [own.jwk] }),
  algorithms = ['ES256'],
) {
  const asked: string[] = [];
  const clock = createTestClock();
  const keySet = createKeySet({
    ...fixedSigning({ jwksUri: `${issuer}/jwks`, algorithms }),
    timeoutMs: 1_000,
    clock: clock.now,
    async fetch(url) {
      asked.push(url);
      return publish();
    },
  });
  return { verify: (token: string) => keySet.verify(token, { issuer }), asked, clock };
}

describe('the verification of a token', () => {
  it('returns the claims of a token signed with a key of the provider (C7)', async () => {
    const { verify, asked } = openKeySet();
    expect(await verify(await own.sign(claims))).toMatchObject({ claims, header: { alg: 'ES256' } });
    expect(asked).toEqual([`${issuer}/jwks`]);
  });

  it.each([
    ['is signed by another key under the same name (C7)', () => createSigningKey('k1')],
    ['is signed by a key that is not published (C7)', () => createSigningKey('k9')],
  ])('rejects a token that %s', async (_what, forge) => {
    const { verify } = openKeySet();
    await expect(verify(await (await forge()).sign(claims))).rejects.toBeInstanceOf(errors.JOSEError);
  });

  it('rejects a token without a signature, whatever its alg (C8)', async () => {
    const { verify } = openKeySet(undefined, ['ES256', 'none']);
    const [, payload] = new UnsecuredJWT(claims).encode().split('.');
    for (const alg of ['none', 'None', 'nOnE', '']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'k1' })).toString('base64url');
      await expect(verify(`${header}.${payload}.`)).rejects.toBeInstanceOf(errors.JOSEError);
    }
  });

  it('rejects a token signed by HMAC with the public key (C8)', async () => {
    const { verify } = openKeySet(undefined, ['ES256', 'HS256']);
    const secret = new TextEncoder().encode(JSON.stringify(own.jwk));
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    await expect(verify(forged)).rejects.toBeInstanceOf(errors.JOSEError);
  });

  it('rejects a token whose algorithm is not allowed (C8)', async () => {
    const { verify } = openKeySet(undefined, ['RS256']);
    await expect(verify(await own.sign(claims))).rejects.toBeInstanceOf(errors.JOSEAlgNotAllowed);
  });

  it('rejects a token that supplies its own key (C8)', async () => {
    const { verify, asked } = openKeySet();
    const stranger = await createSigningKey('k1');
    const forged = await stranger.sign(claims, { jku: 'https://evil.test/jwks', jwk: stranger.jwk });
    await expect(verify(forged)).rejects.toBeInstanceOf(errors.JOSEError);
    expect(new Set(asked)).toEqual(new Set([`${issuer}/jwks`]));
  });

  it.each(['', 'x', 'a.b.c', '..', 'eyJhbGciOiJFUzI1NiJ9..'])(
    'rejects the malformed token %o',
    async (text) => {
      const { verify } = openKeySet();
      await expect(verify(text)).rejects.toBeInstanceOf(errors.JOSEError);
    },
  );
});

describe('the key that verifies a token', () => {
  it('is the only suitable key if the token names none (C18)', async () => {
    const enc = { ...next.jwk, use: 'enc' };
    const { verify } = openKeySet(() => jsonResponse(200, { keys: [{ kty: 'RSA' }, enc, own.jwk] }));
    expect(await verify(await own.sign(claims, { kid: undefined }))).toMatchObject({ claims });
  });

  it('is any suitable key if the token names none (C18)', async () => {
    const { verify } = openKeySet(() => jsonResponse(200, { keys: [own.jwk, next.jwk] }));
    expect(await verify(await next.sign(claims, { kid: undefined }))).toMatchObject({ claims });
    const stranger = await createSigningKey('k3');
    await expect(verify(await stranger.sign(claims, { kid: undefined }))).rejects.toBeInstanceOf(
      errors.JWSSignatureVerificationFailed,
    );
  });

  it('is any of several keys with the same name (C18)', async () => {
    const twin = await createSigningKey('k1');
    const { verify } = openKeySet(() => jsonResponse(200, { keys: [own.jwk, twin.jwk] }));
    expect(await verify(await twin.sign(claims))).toMatchObject({ claims });
  });
});

describe('the keys of a provider', () => {
  it('are fetched once for many tokens (C17)', async () => {
    const { verify, asked } = openKeySet();
    for (let round = 0; round < 5; round += 1) await verify(await own.sign(claims));
    expect(asked).toHaveLength(1);
  });

  it('are fetched again after ten minutes and stay in use while that fails (C3)', async () => {
    let isAway = false;
    const publish = () => (isAway ? jsonResponse(503, {}) : jsonResponse(200, { keys: [own.jwk] }));
    const { verify, asked, clock } = openKeySet(publish);
    await verify(await own.sign(claims));
    isAway = true;
    clock.advance(600_000);
    expect(await verify(await own.sign(claims))).toMatchObject({ claims });
    expect(asked).toHaveLength(2);
  });

  it('are fetched again for an unknown key, however recently they were fetched (C17)', async () => {
    const keys = [own.jwk];
    const { verify, asked } = openKeySet(() => jsonResponse(200, { keys }));
    await verify(await own.sign(claims));
    keys.push(next.jwk);
    expect(await verify(await next.sign(claims))).toMatchObject({ claims });
    expect(asked).toHaveLength(2);
  });

  it.each([['under the same name', 'k1'] as const, ['under no name', undefined] as const])(
    'are fetched again when a key was replaced %s (C17)',
    async (_what, kid) => {
      let keys: object[] = [own.jwk];
      const { verify } = openKeySet(() => jsonResponse(200, { keys }));
      await verify(await own.sign(claims));
      keys = [{ ...next.jwk, kid }];
      expect(await verify(await next.sign(claims, { kid }))).toMatchObject({ claims });
    },
  );

  it('are fetched once for all tokens that wait for a new key', async () => {
    const keys = [own.jwk];
    const { verify, asked } = openKeySet(() => jsonResponse(200, { keys }));
    await verify(await own.sign(claims));
    keys.push(next.jwk);
    const token = await next.sign(claims);
    await Promise.all(Array.from({ length: 20 }, () => verify(token)));
    expect(asked).toHaveLength(2);
  });

  it('are not fetched repeatedly for keys that do not exist (C17)', async () => {
    const { verify, asked, clock } = openKeySet();
    await verify(await own.sign(claims));
    const outcomes: unknown[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      clock.advance(60);
      const forged = await next.sign(claims, { kid: `forged-${index}` });
      outcomes.push(await verify(forged).catch((error: unknown) => error));
    }
    // In a minute: ten at once, and one every six seconds.
    expect(asked.length).toBeLessThanOrEqual(21);
    expect(outcomes.at(0)).toBeInstanceOf(errors.JWKSNoMatchingKey);
    // Tokens whose keys were not looked up are not rejected as invalid.
    expect(outcomes.filter((outcome) => outcome instanceof KeySetError).length).toBeGreaterThan(900);
    expect(await verify(await own.sign(claims))).toMatchObject({ claims });
    clock.advance(6_000);
    await expect(verify(await next.sign(claims))).rejects.toBeInstanceOf(errors.JWKSNoMatchingKey);
  });

  it.each<[string, Behaviour]>([
    ['the network fails', () => fetchFailed('ECONNREFUSED')],
    ['no response arrives in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['the provider is down', () => jsonResponse(503, {})],
    ['the provider redirects', () => jsonResponse(302, '', { Location: 'https://evil.test/jwks' })],
    ['the response is a page', () => jsonResponse(200, '<html>')],
    ['the response is not a key set', () => jsonResponse(200, { error: 'maintenance' })],
    ['the response is empty JSON', () => jsonResponse(200, 'null')],
  ])('are a key error, not an invalid token, when %s', async (_what, publish) => {
    const { verify } = openKeySet(publish);
    await expect(verify(await own.sign(claims))).rejects.toBeInstanceOf(KeySetError);
  });

  it('are fetched again for the next token after a failed fetch', async () => {
    let isDown = true;
    const { verify } = openKeySet(() =>
      isDown ? jsonResponse(503, {}) : jsonResponse(200, { keys: [own.jwk] }),
    );
    await expect(verify(await own.sign(claims))).rejects.toBeInstanceOf(KeySetError);
    isDown = false;
    expect(await verify(await own.sign(claims))).toMatchObject({ claims });
  });

  it('are a key error, not an invalid token, when they do not fit their algorithm', async () => {
    const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'k1', alg: 'ES256' };
    const { verify } = openKeySet(() =>
      jsonResponse(200, { keys: [{ ...secret, kty: 'EC', crv: 'P-256' }, secret] }),
    );
    await expect(verify(await own.sign(claims))).rejects.toBeInstanceOf(KeySetError);
  });
});
