import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createIdTokens } from '../../../../src/provider/oidc/id-token.ts';
import { createKeySet } from '../../../../src/provider/oidc/key-set.ts';
import { createTestClock } from '../../clock.ts';
import { fixedSigning } from '../fixed-signing.ts';
import { createSigningKey, type SigningKey } from '../signing-key.ts';
import { jsonResponse } from '../token-endpoint.ts';

const issuer = 'https://login.example.com';
const accessToken = 'canary-access-token';
const signing = fixedSigning({ jwksUri: `${issuer}/jwks`, algorithms: ['ES256'] });
const nowSeconds = createTestClock().now() / 1000;
const claims = { iss: issuer, aud: 'web', sub: 'ada', iat: nowSeconds, exp: nowSeconds + 300, nonce: 'n' };

let key: SigningKey;
let stranger: SigningKey;
beforeAll(async () => {
  [key, stranger] = await Promise.all([createSigningKey('k1'), createSigningKey('k1')]);
});

/** The checks of a client with these parameters in its authorization requests. */
function open({
  maxAge,
  acrValues = [],
  audiences = [],
  status = 200,
}: { maxAge?: number; acrValues?: string[]; audiences?: string[]; status?: number } = {}) {
  const { now: clock } = createTestClock();
  const idTokens = createIdTokens({
    keySet: createKeySet({
      ...signing,
      timeoutMs: 1_000,
      clock,
      fetch: async () => jsonResponse(status, { keys: [key.jwk] }),
    }),
    issuer,
    clientId: 'web',
    audiences,
    maxAge,
    acrValues,
    clock,
  });
  return {
    ofLogin: async (given: Record<string, unknown> | string, by = key) =>
      idTokens.ofLogin(await by.sign(typeof given === 'string' ? given : { ...claims, ...given }), {
        nonce: 'n',
        accessToken,
      }),
    ofRefresh: async (given: Record<string, unknown>, by = key) =>
      idTokens.ofRefresh(await by.sign({ ...claims, ...given }), { subject: 'ada' }),
    refreshWith: (idToken: string) => idTokens.ofRefresh(idToken, { subject: 'ada' }),
  };
}

function refusal(of: string) {
  return { kind: 'invalid', cause: expect.objectContaining({ message: expect.stringContaining(of) }) };
}

describe('the ID token of a login', () => {
  it('is valid when it is for this client, current and for this login (C4–C12)', async () => {
    const { ofLogin } = open();
    expect(await ofLogin({ name: 'Ada' })).toEqual({ kind: 'valid', claims: { ...claims, name: 'Ada' } });
    expect(await ofLogin({ aud: ['web'], azp: 'web' })).toMatchObject({ kind: 'valid' });
  });

  it.each<[string, Record<string, unknown>]>([
    ['"iss"', { iss: 'https://login.example.com/' }],
    ['"iss"', { iss: undefined }],
    ['"aud"', { aud: 'other' }],
    ['"aud"', { aud: undefined }],
    ['"aud"', { aud: ['web', 'other'] }],
    ['"aud"', { aud: ['web', 'other'], azp: 'web' }],
    ['"aud"', { aud: [] }],
    ['"azp"', { azp: 'other' }],
    ['"azp"', { azp: null }],
    ['"sub"', { sub: undefined }],
    ['"sub"', { sub: '' }],
    ['"sub"', { sub: 7 }],
    ['"sub"', { sub: 'a'.repeat(256) }],
    ['"exp"', { exp: undefined }],
    ['"exp"', { exp: nowSeconds - 60 }],
    ['"exp"', { exp: `${nowSeconds + 300}` }],
    ['"exp"', { exp: -1 }],
    ['"iat"', { iat: undefined }],
    ['"iat"', { iat: null }],
    ['"iat"', { iat: nowSeconds + 61 }],
    ['"iat"', { iat: nowSeconds - 661 }],
    ['"nbf"', { nbf: nowSeconds + 61 }],
    ['"nonce"', { nonce: undefined }],
    ['"nonce"', { nonce: 'other' }],
    ['"nonce"', { nonce: ['n'] }],
    ['"at_hash"', { at_hash: 'b3RoZXI' }],
    ['"at_hash"', { at_hash: null }],
    ['"auth_time"', { auth_time: 'today' }],
  ])('is rejected for its %s: %o', async (claim, given) => {
    expect(await open().ofLogin(given)).toEqual(refusal(claim));
  });

  it('is rejected when it never expires: 1e999 is a number in JSON (C10)', async () => {
    const endless = JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999');
    expect(await open().ofLogin(endless)).toEqual(refusal('"exp"'));
  });

  it('is valid with further audiences that the configuration names (C5)', async () => {
    const { ofLogin, ofRefresh } = open({ audiences: ['other', 'third'] });
    for (const check of [ofLogin, ofRefresh]) {
      expect(await check({ aud: ['web', 'other'] })).toMatchObject({ kind: 'valid' });
      expect(await check({ aud: ['web', 'fourth'] })).not.toMatchObject({ kind: 'valid' });
      expect(await check({ aud: ['other'] })).toEqual(refusal('"aud"'));
    }
  });

  it('is valid when dated by a clock that is a minute off (C10)', async () => {
    const { ofLogin } = open();
    for (const iat of [nowSeconds - 300, nowSeconds - 60, nowSeconds + 60])
      expect(await ofLogin({ iat, nbf: iat, exp: iat + 360 })).toMatchObject({ kind: 'valid' });
  });

  it('is valid with a matching at_hash of the access token (C13)', async () => {
    const half = createHash('sha256').update(accessToken).digest().subarray(0, 16);
    expect(await open().ofLogin({ at_hash: half.toString('base64url') })).toMatchObject({ kind: 'valid' });
  });

  it('is valid when auth_time is recent enough for max_age (C14)', async () => {
    const { ofLogin } = open({ maxAge: 600 });
    expect(await ofLogin({ auth_time: nowSeconds - 600 })).toMatchObject({ kind: 'valid' });
    expect(await ofLogin({ auth_time: nowSeconds - 661 })).toEqual(refusal('"auth_time"'));
    expect(await ofLogin({})).toEqual(refusal('"auth_time"'));
    expect(await open().ofLogin({ auth_time: 1 })).toMatchObject({ kind: 'valid' });
  });

  it('is valid when acr meets the requested acr_values (C14)', async () => {
    const { ofLogin } = open({ acrValues: ['gold', 'silver'] });
    expect(await ofLogin({ acr: 'silver' })).toMatchObject({ kind: 'valid' });
    for (const acr of ['bronze', undefined, 1, 'gold silver'])
      expect(await ofLogin({ acr })).toEqual(refusal('"acr"'));
  });

  it('is rejected when another key signed it, and not judged while the keys are unavailable (C7)', async () => {
    expect(await open().ofLogin({}, stranger)).toEqual(refusal('signature'));
    expect(await open({ status: 503 }).ofLogin({})).toMatchObject({ kind: 'unverifiable' });
  });
});

describe('the ID token of a refresh', () => {
  it('is valid when it is for this client and about the same user (C20)', async () => {
    const { ofRefresh } = open();
    const refreshed = { ...claims, name: 'Ada' };
    expect(await ofRefresh(refreshed)).toEqual({ kind: 'valid', claims: refreshed });
    expect(await ofRefresh({ aud: ['web'], azp: 'web', nonce: undefined })).toMatchObject({ kind: 'valid' });
  });

  it.each<[string, Record<string, unknown>]>([
    ['"sub"', { sub: 'eve' }],
    ['"sub"', { sub: 'eve', iss: undefined, aud: undefined }],
    ['"iss"', { iss: 'https://login.example.com/' }],
    ['"iss"', { iss: 'https://login.example.com/', sub: undefined }],
    ['"aud"', { aud: 'other' }],
    ['"aud"', { aud: ['other', 'another'], iss: undefined }],
  ])('is rejected for its %s: %o (C20)', async (claim, given) => {
    expect(await open().ofRefresh(given)).toEqual(refusal(claim));
    expect(await open().ofRefresh(given, stranger)).toEqual(refusal(claim));
  });

  it.each<[string, Record<string, unknown>]>([
    ['"aud"', { aud: ['web', 'other'] }],
    ['"azp"', { azp: 'other' }],
    ['"sub"', { sub: undefined }],
    ['"iss"', { iss: undefined }],
    ['"aud"', { aud: undefined }],
    ['"aud"', { aud: [] }],
  ])('changes no claims because of its %s, but is about no other user: %o (C20)', async (claim, given) => {
    expect(await open().ofRefresh(given)).toEqual({ ...refusal(claim), kind: 'unverifiable' });
  });

  it('cannot be verified when another key signed it or while the keys are unavailable (C7)', async () => {
    expect(await open().ofRefresh({}, stranger)).toEqual({ ...refusal('signature'), kind: 'unverifiable' });
    expect(await open({ status: 503 }).ofRefresh({})).toMatchObject({ kind: 'unverifiable' });
  });

  it.each(['', 'opaque', 'a.b.c', 'a.b.c.d.e'])(
    'cannot be verified when it is not a JWT: "%s"',
    async (text) => {
      expect(await open().refreshWith(text)).toMatchObject({ kind: 'unverifiable' });
    },
  );

  it.each<[string, Record<string, unknown>]>([
    ['"sub"', { sub: 'eve' }],
    ['"iss"', { iss: 'https://other.example.com' }],
    ['"aud"', { aud: 'other' }],
  ])('is rejected for its %s even while the keys are unavailable: %o (C20)', async (claim, given) => {
    expect(await open({ status: 503 }).ofRefresh(given)).toEqual(refusal(claim));
  });

  it('is valid when dated by a clock that is hours off in either direction (G5)', async () => {
    const { ofRefresh } = open();
    for (const iat of [nowSeconds - 18_000, nowSeconds + 18_000])
      expect(await ofRefresh({ iat, nbf: iat, exp: iat + 60 })).toMatchObject({ kind: 'valid' });
  });

  it('is valid when it is an earlier one, whose at_hash is that of an earlier access token', async () => {
    expect(await open().ofRefresh({ at_hash: 'b3RoZXI', exp: nowSeconds - 7_200 })).toMatchObject({
      kind: 'valid',
    });
  });
});
