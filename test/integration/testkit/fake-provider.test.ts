import { decodeJwt } from 'jose';
import * as client from 'openid-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';

const REDIRECT_URI = 'http://127.0.0.1/callback';

let provider: FakeProvider;
let relyingParty: client.Configuration;

beforeEach(async () => {
  provider = await startFakeProvider();
  provider.client.redirectUris.push(REDIRECT_URI);
  relyingParty = await discover();
});

afterEach(async () => {
  await provider.close();
});

describe('a sign-in at the fake provider', () => {
  it('returns tokens that openid-client accepts', async () => {
    const tokens = await signIn();
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 300, scope: 'openid profile email' });
    expect(tokens.refresh_token).toMatch(/^canary-rt-/);
    expect(tokens.claims()).toMatchObject({ sub: 'alice', email: 'alice@example.test' });
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      sub: 'alice',
      aud: 'https://api.example.test',
      jti: expect.stringMatching(/^canary-at-/),
    });
    const userinfo = await client.fetchUserInfo(relyingParty, tokens.access_token, 'alice');
    expect(userinfo).toMatchObject({ sub: 'alice', name: 'Alice Example' });
  });

  it('accepts only client_secret_post when the client is registered for it', async () => {
    provider.client.authentication = 'client_secret_post';
    await expect(signIn()).rejects.toMatchObject({
      status: 401,
      code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
    });

    relyingParty = await discover(client.ClientSecretPost(provider.client.secret));
    await expect(signIn()).resolves.toHaveProperty('access_token');
  });

  it('signs in the user from login_hint or else the current user', async () => {
    provider.user = 'bob';
    expect((await signIn()).claims()?.sub).toBe('bob');
    expect((await signIn({ login_hint: 'carol' })).claims()?.sub).toBe('carol');
  });

  it('fails with an error when no user is signed in', async () => {
    provider.user = undefined;
    await expect(signIn({ prompt: 'none' })).rejects.toMatchObject({ error: 'login_required' });
    await expect(signIn()).rejects.toMatchObject({ error: 'access_denied' });
  });

  it.each([
    ['response_type', 'token', 'unsupported_response_type'],
    ['state', '', 'invalid_request'],
    ['nonce', '', 'invalid_request'],
    ['scope', 'profile', 'invalid_scope'],
    ['code_challenge', '', 'invalid_request'],
    ['code_challenge_method', 'plain', 'invalid_request'],
    ['response_mode', 'fragment', 'invalid_request'],
    ['request_uri', 'urn:example', 'request_uri_not_supported'],
  ])('is rejected by redirect when %s is %j', async (name, value, error) => {
    const { url } = await authorizationRequest();
    url.searchParams.set(name, value);
    const response = await fetch(url, { redirect: 'manual' });
    const location = new URL(response.headers.get('location') ?? '');
    expect(location.searchParams.get('error')).toBe(error);
    expect(location.searchParams.get('iss')).toBe(provider.issuer);
  });

  it.each([
    ['client_id', 'somebody-else'],
    ['redirect_uri', `${REDIRECT_URI}/`],
  ])('is rejected without a redirect when %s is %j', async (name, value) => {
    const { url } = await authorizationRequest();
    url.searchParams.set(name, value);
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(400);
  });

  it('is rejected with a wrong code verifier, which also spends the code', async () => {
    const { url, checks } = await authorizationRequest();
    const callback = await authorize(url);
    const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
    await expect(client.authorizationCodeGrant(relyingParty, callback, wrong)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(client.authorizationCodeGrant(relyingParty, callback, checks)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it('revokes the tokens when the code is used a second time', async () => {
    const { url, checks } = await authorizationRequest();
    const callback = await authorize(url);
    const { access_token: token } = await client.authorizationCodeGrant(relyingParty, callback, checks);
    expect(provider.isAccessTokenActive(token)).toBe(true);
    await expect(client.authorizationCodeGrant(relyingParty, callback, checks)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect(provider.isAccessTokenActive(token)).toBe(false);
    expect(provider.families).toMatchObject([{ alive: false, endedBecause: 'code reused' }]);
  });

  it('is rejected when the token request is not form-encoded', async () => {
    const response = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"refresh_token"}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  });
});

describe('a refresh at the fake provider', () => {
  it('in mode strict returns a new token each time and records each use', async () => {
    let { refresh_token: token } = await signIn();
    for (let round = 0; round < 3; round += 1) ({ refresh_token: token } = await refresh(token));
    expect(provider.tokenLedger().map(({ presented, spent }) => [presented, spent])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(3);
    expect(provider.tokenCalls()).toBe(4);
  });

  it('in mode strict ends the token family and counts the reuse when a token is used twice', async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    await expect(refresh(first.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' });
    await expect(refresh(second.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' });
    expect(provider.isAccessTokenActive(first.access_token)).toBe(false);
    expect(provider.isAccessTokenActive(second.access_token)).toBe(false);
    expect(provider.families).toMatchObject([{ reuses: 1, endedBecause: 'refresh token reused' }]);
  });

  it('in mode strict accepts one of several concurrent requests and then ends the family', async () => {
    const { refresh_token: token } = await signIn();
    const hold = provider.faults.hold('token');
    const all = [1, 2, 3, 4].map(() => refresh(token));
    const settled = Promise.allSettled(all);
    await hold.waiting(4);
    hold.release();
    const outcomes = (await settled).map(({ status }) => status);
    expect(outcomes.filter((status) => status === 'fulfilled')).toHaveLength(1);
    expect(provider.maxConcurrentTokenCalls).toBe(4);
    expect(provider.families).toMatchObject([{ alive: false, reuses: 3 }]);
  });

  it('in mode grace accepts the latest spent token during the grace period and no earlier one', async () => {
    provider.rotate = 'grace';
    provider.graceMs = 10_000;
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    const again = await refresh(first.refresh_token);
    expect(again.refresh_token).not.toBe(second.refresh_token);
    await refresh(again.refresh_token);
    await expect(refresh(first.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' });
    expect(provider.families).toMatchObject([{ alive: false, reuses: 1 }]);
  });

  it('in mode grace rejects a spent token after the grace period', async () => {
    provider.rotate = 'grace';
    provider.graceMs = 10_000;
    const first = await signIn();
    await refresh(first.refresh_token);
    provider.clockOffsetMs += 10_001;
    await expect(refresh(first.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  it('in mode off returns no refresh token and keeps the old one valid', async () => {
    provider.rotate = 'off';
    const { refresh_token: token } = await signIn();
    expect(await refresh(token)).not.toHaveProperty('refresh_token');
    expect(await refresh(token)).not.toHaveProperty('refresh_token');
  });

  it('in mode same returns the refresh token that it received', async () => {
    provider.rotate = 'same';
    const { refresh_token: token } = await signIn();
    expect(await refresh(token)).toHaveProperty('refresh_token', token);
    expect(await refresh(token)).toHaveProperty('refresh_token', token);
  });

  it('in mode new returns another refresh token and keeps the old one valid', async () => {
    provider.rotate = 'new';
    const { refresh_token: first } = await signIn();
    const { refresh_token: second } = await refresh(first);
    const { refresh_token: third } = await refresh(first);
    expect(new Set([first, second, third]).size).toBe(3);
    await expect(refresh(second)).resolves.toHaveProperty('access_token');
  });

  it('narrows the scope on request and rejects a wider scope without spending the token', async () => {
    const { refresh_token: token } = await signIn();
    await expect(refresh(token, { scope: 'openid admin' })).rejects.toMatchObject({ error: 'invalid_scope' });
    const { access_token: narrowed } = await refresh(token, { scope: 'email' });
    expect(decodeJwt(narrowed)['scope']).toBe('email');
  });

  it('uses the requested resource and rejects an unknown one without spending the token', async () => {
    provider.resources = ['https://one.example.test', 'https://two.example.test'];
    const { refresh_token: first } = await signIn();
    await expect(refresh(first, { resource: 'https://three.example.test' })).rejects.toMatchObject({
      error: 'invalid_target',
    });
    const second = await refresh(first, { resource: 'https://two.example.test' });
    expect(decodeJwt(second.access_token).aud).toBe('https://two.example.test');
    const { access_token: plain } = await refresh(second.refresh_token);
    expect(decodeJwt(plain).aud).toBe(provider.audience);
  });

  it('has no nonce in its ID token', async () => {
    const tokens = await refresh((await signIn()).refresh_token);
    expect(tokens.claims()).toMatchObject({ sub: 'alice' });
    expect(tokens.claims()?.nonce).toBeUndefined();
  });
});

describe('the end of a token or session at the fake provider', () => {
  it('by revocation of a refresh token ends the token family', async () => {
    const tokens = await signIn();
    await client.tokenRevocation(relyingParty, tokens.refresh_token ?? '', {
      token_type_hint: 'refresh_token',
    });
    expect(provider.isAccessTokenActive(tokens.access_token)).toBe(false);
    expect(provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  });

  it('by revocation of an access token keeps the token family', async () => {
    const tokens = await signIn();
    provider.revokeAccessToken(tokens.access_token);
    expect(provider.isAccessTokenActive(tokens.access_token)).toBe(false);
    const userinfo = client.fetchUserInfo(relyingParty, tokens.access_token, 'alice');
    await expect(userinfo).rejects.toMatchObject({ status: 401 });
    await expect(refresh(tokens.refresh_token)).resolves.toHaveProperty('access_token');
  });

  it('by expiry of an access token makes it inactive', async () => {
    const { access_token: token } = await signIn();
    provider.clockOffsetMs = 299_000;
    expect(provider.isAccessTokenActive(token)).toBe(true);
    provider.clockOffsetMs = 301_000;
    expect(provider.isAccessTokenActive(token)).toBe(false);
  });

  it('by the end-session endpoint redirects the browser with its state', async () => {
    const returnTo = 'http://127.0.0.1/bye';
    provider.client.postLogoutRedirectUris.push(returnTo);
    const tokens = await signIn();
    const url = client.buildEndSessionUrl(relyingParty, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: returnTo,
      state: 'the-state',
    });
    const response = await fetch(url, { redirect: 'manual' });
    expect(response.headers.get('location')).toBe(`${returnTo}?state=the-state`);
    expect(provider.families).toMatchObject([{ alive: false, endedBecause: 'session ended' }]);
    url.searchParams.set('post_logout_redirect_uri', 'http://elsewhere.example.test/');
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(400);
  });

  it('for all sessions of a user keeps the sessions of others', async () => {
    await signIn({ login_hint: 'alice' });
    await signIn({ login_hint: 'bob' });
    provider.invalidateSession({ user: 'alice' });
    expect(provider.families.map(({ alive }) => alive)).toEqual([false, true]);
  });
});

describe('a fault of the fake provider', () => {
  it('replaces the next responses of an endpoint', async () => {
    const { refresh_token: token } = await signIn();
    provider.faults.token = { status: 503, headers: { 'retry-after': '7' }, times: 2 };
    for (let round = 0; round < 2; round += 1) {
      await expect(refresh(token)).rejects.toMatchObject({ cause: { status: 503 } });
    }
    await expect(refresh(token)).resolves.toHaveProperty('access_token');
  });

  it('can drop the response after the token was rotated', async () => {
    const { refresh_token: token } = await signIn();
    provider.faults.dropAfterProcessing('token');
    await expect(refresh(token)).rejects.toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } });
    expect(provider.tokenLedger()[0]?.spent).toBe(1);
    await expect(refresh(token)).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  it('can drop the request before processing it', async () => {
    const { refresh_token: token } = await signIn();
    provider.faults.dropBefore('token');
    await expect(refresh(token)).rejects.toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } });
    expect(provider.tokenLedger()[0]?.presented).toBe(0);
    await expect(refresh(token)).resolves.toHaveProperty('access_token');
  });

  it('can truncate the response after the token was rotated', async () => {
    const { refresh_token: token } = await signIn();
    const headers = { 'content-type': 'application/json' };
    provider.faults.token = { status: 200, headers, body: '{"access_token":', when: 'after', times: 1 };
    await expect(refresh(token)).rejects.toMatchObject({ code: 'OAUTH_PARSE_ERROR' });
    expect(provider.tokenLedger()[0]?.spent).toBe(1);
  });

  it('can hold the response after processing the request', async () => {
    const { refresh_token: token } = await signIn();
    const hold = provider.faults.hold('token', 'after');
    const response = refresh(token);
    await hold.waiting();
    expect(provider.tokenLedger()).toMatchObject([{ spent: 1 }, { spent: 0 }]);
    hold.release();
    await expect(response).resolves.toHaveProperty('access_token');
  });

  it('can stop the provider for a while', async () => {
    const { refresh_token: token } = await signIn();
    await provider.stop();
    await expect(refresh(token)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await provider.start();
    await expect(refresh(token)).resolves.toHaveProperty('access_token');
  });

  it.each(['none', 'HS256', 'other-key'] as const)('can sign the ID token with %s', async (how) => {
    client.enableNonRepudiationChecks(relyingParty);
    await expect(signIn()).resolves.toHaveProperty('id_token');
    provider.signWith(how);
    await expect(signIn()).rejects.toMatchObject({ code: 'OAUTH_INVALID_RESPONSE' });
  });

  it.each([
    ['nonce', 'another', 'OAUTH_JWT_CLAIM_COMPARISON_FAILED'],
    ['iss', 'http://127.0.0.1/another', 'OAUTH_JWT_CLAIM_COMPARISON_FAILED'],
    ['aud', 'another', 'OAUTH_JWT_CLAIM_COMPARISON_FAILED'],
    ['exp', 1, 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED'],
  ])('can set a wrong %s in the ID token', async (claim, value, code) => {
    provider.patchIdToken = (claims) => ({ ...claims, [claim]: value });
    await expect(signIn()).rejects.toMatchObject({ code });
  });

  it('can change the token response', async () => {
    provider.patchTokenResponse = (json, grant) => ({ ...json, expires_in: undefined, granted_by: grant });
    const tokens = await signIn();
    expect(tokens).not.toHaveProperty('expires_in');
    expect(tokens['granted_by']).toBe('authorization_code');
  });

  it('can change the issuer in the authorization response', async () => {
    provider.patchAuthorizationResponse = (parameters) => ({
      ...parameters,
      iss: 'http://evil.example.test',
    });
    await expect(signIn()).rejects.toMatchObject({ code: 'OAUTH_INVALID_RESPONSE' });
  });
});

describe('the records of the fake provider', () => {
  it('list every secret that was issued or presented', async () => {
    const tokens = await signIn();
    const { access_token: next } = await refresh(tokens.refresh_token);
    expect(provider.secrets(['access_token'])).toEqual(expect.arrayContaining([tokens.access_token, next]));
    const kinds = ['refresh_token', 'id_token', 'code', 'code_verifier', 'client_secret'] as const;
    for (const kind of kinds) expect(provider.secrets([kind])).not.toHaveLength(0);
    expect(provider.secrets()).toEqual(expect.arrayContaining(provider.secrets(kinds)));
  });

  it('contain every request with its parameters and response status', async () => {
    await signIn();
    const token = provider.requests.find(({ endpoint }) => endpoint === 'token');
    expect(token).toMatchObject({
      method: 'POST',
      form: { grant_type: 'authorization_code', redirect_uri: REDIRECT_URI },
      authorization: expect.stringMatching(/^Basic /),
      status: 200,
    });
  });

  it('show that it publishes one key at a time and signs with it', async () => {
    await provider.swapKeys();
    relyingParty = await discover();
    client.enableNonRepudiationChecks(relyingParty);
    await expect(signIn()).resolves.toHaveProperty('id_token');
  });
});

function discover(authentication?: client.ClientAuth): Promise<client.Configuration> {
  const { id, secret } = provider.client;
  return client.discovery(
    new URL(provider.issuer),
    id,
    undefined,
    authentication ?? client.ClientSecretBasic(secret),
    { execute: [client.allowInsecureRequests] },
  );
}

async function authorizationRequest(more: Record<string, string> = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
  };
  const url = client.buildAuthorizationUrl(relyingParty, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile email',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  });
  return { url, checks };
}

async function authorize(url: URL): Promise<URL> {
  const response = await fetch(url, { redirect: 'manual' });
  return new URL(response.headers.get('location') ?? '');
}

async function signIn(more?: Record<string, string>) {
  const { url, checks } = await authorizationRequest(more);
  return client.authorizationCodeGrant(relyingParty, await authorize(url), checks);
}

function refresh(token: string | undefined, more?: Record<string, string>) {
  return client.refreshTokenGrant(relyingParty, token ?? '', more);
}
