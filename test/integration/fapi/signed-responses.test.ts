import { createPrivateKey, createSecretKey } from 'node:crypto';
import { CompactSign, decodeJwt, SignJWT, type JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { jwk, pem } from '../../unit/config/keys.ts';
import { openFapi } from './fixture.ts';

const secret = { clientSecret: 'canary-client-secret-of-the-real-provider' };
const signer = createPrivateKey(pem('P-256'));
const HOUR = 3600;

/** A gateway and oidc-provider, whose signing key the test has. */
const open = (provider: Record<string, unknown> = {}) =>
  openFapi({
    client: { id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' },
    provider: { ...secret, responseMode: 'jwt', ...provider },
    options: {
      configuration: {
        jwks: { keys: [JSON.parse(jwk('P-256', { kid: 'key-1', use: 'sig', alg: 'ES256' }))] },
        features: { jwtResponseModes: { enabled: true } },
      },
    },
  });

describe('a signed authorization response (standards: H7)', () => {
  it('signs the user in, and the callback has no other parameter', async () => {
    const { agent, signIn } = await open();
    await signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    const callback = /\/auth\/callback\?([^\s]*)/.exec(agent.received())?.[1] ?? '';
    expect([...new URLSearchParams(callback).keys()]).toEqual(['response']);
  });
});

describe('an authorization response', () => {
  /** Begins a login and returns what a response to it must have, and its callback. */
  const begin = async () => {
    const { agent, real, advance } = await open({ par: 'off' });
    const { authorizationUrl } = await beginLogin(agent);
    expect(authorizationUrl.searchParams.get('response_mode')).toBe('jwt');
    const state = authorizationUrl.searchParams.get('state') ?? '';
    const exp = Math.floor(Date.now() / 1000) + HOUR;
    const claims = { iss: real.issuer, aud: 'web', exp, state, code: 'made-up' };
    const callback = async (query: string) => (await agent.get(`/auth/callback?${query}`)).json();
    return { claims, callback, real, advance };
  };
  const sign = (claims: JWTPayload, key = signer, alg = 'ES256') =>
    new SignJWT(claims).setProtectedHeader({ alg }).sign(key);

  it('that is signed reaches the token endpoint', async () => {
    const { claims, callback } = await begin();
    expect(await callback(`response=${await sign(claims)}`)).toMatchObject({
      code: 'login_failed',
      reason: 'the token endpoint returned invalid_grant',
    });
  });

  it('that is signed may carry an error', async () => {
    const { claims, callback } = await begin();
    const { code: _, ...rest } = claims;
    const response = await sign({ ...rest, error: 'access_denied', error_description: 'words' });
    expect(await callback(`response=${response}`)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('access_denied'),
    });
  });

  it.each([
    ['of another issuer', { iss: 'https://other.example.com' }, /unexpected "iss"/],
    ['without an issuer', { iss: undefined }, /missing required "iss"/],
    ['for another client', { aud: 'other' }, /unexpected "aud"/],
    ['for another client as well', { aud: ['web', 'other'] }, /"aud" names audiences other than this client/],
    ['that has expired', { exp: 1_000 }, /"exp" claim timestamp check failed/],
    ['without an end', { exp: undefined }, /missing required "exp"/],
  ])('%s is rejected', async (_what, changes, reason) => {
    const { claims, callback } = await begin();
    expect(await callback(`response=${await sign({ ...claims, ...changes } as JWTPayload)}`)).toMatchObject({
      status: 400,
      code: 'login_failed',
      reason: expect.stringMatching(reason),
    });
  });

  it('that has expired by the clock of the gateway is rejected', async () => {
    const { claims, callback, advance } = await begin();
    const response = await sign({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 });
    advance(300_000);
    expect(await callback(`response=${response}`)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringMatching(/"exp" claim timestamp check failed/),
    });
  });

  it('that never expires is rejected', async () => {
    const { claims, callback } = await begin();
    // A number in JSON, and larger than every other one.
    const text = JSON.stringify({ ...claims, exp: 0 }).replace('"exp":0', '"exp":1e999');
    const response = await new CompactSign(new TextEncoder().encode(text))
      .setProtectedHeader({ alg: 'ES256' })
      .sign(signer);
    expect(await callback(`response=${response}`)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('"exp" is not a time'),
    });
  });

  it('with another key, without a signature or with a symmetric one is rejected', async () => {
    const { claims, callback } = await begin();
    const wrongKey = await sign(claims, createPrivateKey(pem('P-256-b')));
    expect(await callback(`response=${wrongKey}`)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('signature verification failed'),
    });
    for (const response of [
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`,
      await sign(claims, createSecretKey(Buffer.from('canary-client-secret-of-the-real-provider')), 'HS256'),
    ]) {
      const { callback: again } = await begin();
      expect(decodeJwt(response)).toMatchObject({ code: 'made-up' });
      expect(await again(`response=${response}`)).toMatchObject({ status: 400, code: 'login_failed' });
    }
  });

  it('with parameters outside of the JWT is rejected', async () => {
    const { claims, callback } = await begin();
    expect(await callback(`response=${await sign(claims)}&code=injected`)).toMatchObject({
      code: 'login_failed',
      reason: 'the callback has the parameter "code" outside of its signed response',
    });
  });

  it('as plain parameters is rejected', async () => {
    const { claims, callback } = await begin();
    expect(await callback(`code=made-up&state=${claims.state}`)).toMatchObject({
      code: 'login_failed',
      reason: 'the callback has no "response" parameter, which the sign-in asked for',
    });
  });

  it('without a state, or with that of another sign-in, is rejected', async () => {
    const { claims, callback } = await begin();
    const { state: _, ...rest } = claims;
    expect(await callback(`response=${await sign(rest)}`)).toMatchObject({ code: 'login_failed' });
    expect(await callback(`response=${await sign({ ...rest, state: 'other' })}`)).toMatchObject({
      code: 'login_failed',
    });
    expect(await callback('response=nonsense')).toMatchObject({ code: 'login_failed' });
  });
});
