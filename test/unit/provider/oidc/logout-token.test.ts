import { errors, UnsecuredJWT, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createKeySet } from '../../../../src/provider/oidc/key-set.ts';
import { createLogoutTokens } from '../../../../src/provider/oidc/logout-token.ts';
import { createTestClock } from '../../clock.ts';
import { fixedSigning } from '../fixed-signing.ts';
import { createSigningKey, type SigningKey } from '../signing-key.ts';
import { jsonResponse } from '../token-endpoint.ts';

const issuer = 'https://login.example.com';
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

let key: SigningKey;
beforeAll(async () => {
  key = await createSigningKey('k1');
});

/** Logout tokens of a provider, a good one, and the time. */
function openLogoutTokens(
  checks: 'standard' | 'strict' | 'lenient' = 'standard',
  audiences: readonly string[] = [],
) {
  const clock = createTestClock();
  const now = Math.floor(clock.now() / 1000);
  const keySet = createKeySet({
    ...fixedSigning({ jwksUri: `${issuer}/jwks`, algorithms: ['ES256'] }),
    timeoutMs: 1_000,
    clock: clock.now,
    fetch: async () => jsonResponse(200, { keys: [key.jwk] }),
  });
  const check = createLogoutTokens({ keySet, issuer, clientId: 'web', audiences, checks, clock: clock.now });
  const good: JWTPayload = {
    iss: issuer,
    aud: 'web',
    iat: now,
    exp: now + 120,
    jti: 'jti-1',
    sub: 'ada',
    sid: 'sid-1',
    events: { [LOGOUT]: {} },
  };
  const sign = (claims: JWTPayload, typ: string | undefined = 'logout+jwt') =>
    key.sign(claims, typ === undefined ? {} : { typ });
  return { check, good, sign, now };
}

/** The claims without one. */
function without(claims: JWTPayload, name: string): JWTPayload {
  return Object.fromEntries(Object.entries(claims).filter(([other]) => other !== name));
}

describe('a logout token', () => {
  it('identifies the sign-ins that have ended (standards: D11, D12)', async () => {
    const { check, good, sign, now } = openLogoutTokens();
    expect(await check(await sign(good))).toEqual({
      issuer,
      subject: 'ada',
      sid: 'sid-1',
      tokenId: 'jti-1',
      issuedAtSeconds: now,
      validUntilMs: (now + 180) * 1000,
    });
    expect(await check(await sign(without(good, 'sid')))).toMatchObject({ subject: 'ada', sid: undefined });
    expect(await check(await sign(without(good, 'sub')))).toMatchObject({ subject: undefined, sid: 'sid-1' });
  });

  it.each<[string, JWTPayload]>([
    ['members that are not known', { extra: { a: 1 } }],
    ['a list of one audience', { aud: ['web'] }],
    ['other events besides', { events: { other: {}, [LOGOUT]: { a: 1 } } }],
    ['a clock half a minute ahead', { iat: 30 }],
    ['a clock half a minute behind', { iat: -150, exp: -30 }],
  ])('is accepted with %s', async (_what, patch) => {
    const { check, good, sign, now } = openLogoutTokens();
    const times = Object.fromEntries(
      Object.entries(patch).map(([name, value]) => [name, typeof value === 'number' ? now + value : value]),
    );
    expect(await check(await sign({ ...good, ...times }))).toMatchObject({ tokenId: 'jti-1' });
  });

  it.each<[string, (claims: JWTPayload, now: number) => JWTPayload]>([
    ['another issuer (D11)', (claims) => ({ ...claims, iss: `${issuer}/` })],
    ['no issuer (D11)', (claims) => without(claims, 'iss')],
    ['another audience (D11)', (claims) => ({ ...claims, aud: 'other' })],
    ['others besides us as audience (D11)', (claims) => ({ ...claims, aud: ['web', 'other'] })],
    ['no audience (D11)', (claims) => without(claims, 'aud')],
    ['no time of issue (D11)', (claims) => without(claims, 'iat')],
    ['a time of issue that is text (D11)', (claims, now) => ({ ...claims, iat: String(now) as never })],
    ['a time of issue to come (D11)', (claims, now) => ({ ...claims, iat: now + 61, exp: now + 500 })],
    ['a time of issue long ago (D11)', (claims, now) => ({ ...claims, iat: now - 661, exp: now + 500 })],
    ['no end (D11)', (claims) => without(claims, 'exp')],
    ['an end that has passed (D11)', (claims, now) => ({ ...claims, iat: now - 200, exp: now - 60 })],
    ['an end that is text (D11)', (claims, now) => ({ ...claims, exp: String(now + 60) as never })],
    ['neither subject nor session (D12)', (claims) => without(without(claims, 'sub'), 'sid')],
    ['an empty session (D12)', (claims) => ({ ...claims, sid: '' })],
    ['a session that is no text (D12)', (claims) => ({ ...claims, sid: 1 })],
    ['a subject that is no text (D12)', (claims) => ({ ...claims, sub: ['ada'] as never })],
    ['no events (D13)', (claims) => without(claims, 'events')],
    ['another event (D13)', (claims) => ({ ...claims, events: { 'http://example.com/event': {} } })],
    ['a list of events (D13)', (claims) => ({ ...claims, events: [LOGOUT] })],
    ['one event as text (D13)', (claims) => ({ ...claims, events: LOGOUT })],
    ['an event that says no object (D13)', (claims) => ({ ...claims, events: { [LOGOUT]: true } })],
    ['an event that says a list (D13)', (claims) => ({ ...claims, events: { [LOGOUT]: [] } })],
    ['a nonce (D14)', (claims) => ({ ...claims, nonce: 'n' })],
    ['a nonce that is nothing (D14)', (claims) => ({ ...claims, nonce: null })],
    ['no identifier (D16)', (claims) => without(claims, 'jti')],
    ['an empty identifier (D16)', (claims) => ({ ...claims, jti: '' })],
  ])('is rejected with %s', async (_what, change) => {
    const { check, good, sign, now } = openLogoutTokens();
    await expect(check(await sign(change(good, now)))).rejects.toBeInstanceOf(errors.JOSEError);
    expect(await check(await sign(good))).toMatchObject({ tokenId: 'jti-1' });
  });

  it.each(['at+jwt', 'logout', 'xlogout+jwt', 'text/logout+jwt', 'secevent+jwt', ''])(
    'is rejected with the type %s (standards: D15)',
    async (typ) => {
      for (const checks of ['standard', 'strict', 'lenient'] as const) {
        const { check, good } = openLogoutTokens(checks);
        await expect(check(await key.sign(good, { typ }))).rejects.toThrow('type');
      }
    },
  );

  it.each(['JWT', undefined])(
    'is accepted with the type %s unless the checks are strict (standards: D15)',
    async (typ) => {
      const header = typ === undefined ? {} : { typ };
      const { check, good } = openLogoutTokens();
      expect(await check(await key.sign(good, header))).toMatchObject({ tokenId: 'jti-1' });
      await expect(openLogoutTokens('strict').check(await key.sign(good, header))).rejects.toThrow('type');
    },
  );

  it('is accepted with further audiences that the configuration names (standards: D11)', async () => {
    const { check, good, sign } = openLogoutTokens('standard', ['other']);
    expect(await check(await sign({ ...good, aud: ['web', 'other'] }))).toMatchObject({ tokenId: 'jti-1' });
    await expect(check(await sign({ ...good, aud: ['web', 'third'] }))).rejects.toThrow('aud');
  });

  it.each(['logout+jwt', 'LOGOUT+JWT', 'application/logout+jwt'])(
    'is accepted with the type %s',
    async (typ) => {
      const { check, good, sign } = openLogoutTokens();
      expect(await check(await sign(good, typ))).toMatchObject({ tokenId: 'jti-1' });
    },
  );

  it('is rejected without a signature (standards: D10)', async () => {
    const { check, good } = openLogoutTokens();
    await expect(check(new UnsecuredJWT(good).encode())).rejects.toBeInstanceOf(errors.JOSEError);
  });
});

describe('lenient checks of a logout token', () => {
  it.each([undefined, 'JWT', 'jwt', 'logout+jwt'])('accept the type %s (standards: D15)', async (typ) => {
    const { check, good } = openLogoutTokens('lenient');
    expect(await check(await key.sign(good, typ === undefined ? {} : { typ }))).toMatchObject({
      tokenId: 'jti-1',
    });
  });

  it('accept a token without an expiry, for ten minutes (standards: D11)', async () => {
    const { check, good, sign, now } = openLogoutTokens('lenient');
    const endless = without(good, 'exp');
    expect(await check(await sign(endless))).toMatchObject({ validUntilMs: (now + 660) * 1000 });
    await expect(check(await sign({ ...endless, iat: now - 661 }))).rejects.toThrow('iat');
  });

  it.each<[string, JWTPayload, string]>([
    ['the type of an access token', {}, 'at+jwt'],
    ['an end that has passed', { exp: 1 }, 'JWT'],
    ['a nonce', { nonce: 'n' }, 'JWT'],
    ['no logout event', { events: {} }, 'JWT'],
  ])('reject %s nevertheless', async (_what, patch, typ) => {
    const { check, good, sign } = openLogoutTokens('lenient');
    await expect(check(await sign({ ...good, ...patch }, typ))).rejects.toBeInstanceOf(errors.JOSEError);
  });
});
