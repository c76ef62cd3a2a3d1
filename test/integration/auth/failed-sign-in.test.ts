import { describe, expect, it } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

const words = '<script>alert("words-of-the-provider")</script>';

/** Signs in as a browser does, and gives the response to the callback. */
async function callbackOf({ agent }: TestGateway, query = ''): Promise<AgentResponse> {
  const { authorizationUrl } = await beginLogin(agent, query);
  const { chain } = await agent.navigate(authorizationUrl.href);
  const callback = chain.find(({ url }) => new URL(url).pathname === '/auth/callback');
  if (callback === undefined) throw new Error('the provider did not send the browser back');
  return callback;
}

/** Makes the provider send the browser back with an error. */
function refuseWith(error: string): void {
  testGateway.provider.patchAuthorizationResponse = ({ code: _code, ...rest }) => ({
    ...rest,
    error,
    error_description: words,
    error_uri: 'https://evil.example/words-of-the-provider',
  });
}

function expectFailure(callback: AgentResponse, authError: string, returnTo = '/'): void {
  expect(callback.status).toBe(303);
  const location = callback.header('location') ?? '';
  const url = new URL(location, 'https://app.example');
  const requestId = callback.header('x-request-id');
  expect(requestId).toMatch(/^[\w-]{36}$/);
  expect(url.searchParams.getAll('auth_error')).toEqual([authError]);
  expect(url.searchParams.getAll('auth_request_id')).toEqual([requestId]);
  expect(`${url.origin}${url.pathname}`).toBe(`https://app.example${returnTo}`);
  expect(callback.body).toHaveLength(0);
  expect(callback.header('cache-control')).toBe('no-store');
  expect(callback.header('retry-after')).toBeUndefined();
  expect(callback.headers.flat().join('\n')).not.toContain('words-of-the-provider');
}

describe('a sign-in that fails, in a browser', () => {
  it.each([
    ['access_denied', 'access_denied'],
    ['login_required', 'login_required'],
    ['interaction_required', 'login_required'],
    ['consent_required', 'login_required'],
    ['account_selection_required', 'login_required'],
    ['temporarily_unavailable', 'provider_unavailable'],
    ['server_error', 'provider_unavailable'],
    ['invalid_scope', 'refused'],
    [words, 'refused'],
  ])('leads to the app when the provider says %s', async (error, authError) => {
    refuseWith(error);
    const callback = await callbackOf(testGateway);
    expectFailure(callback, authError);
    expect(testGateway.agent.cookies.all()).toEqual([]);
    expect(testGateway.provider.tokenCalls()).toBe(0);
    expect(testGateway.gateway.logs()).toContain(callback.header('x-request-id'));
  });

  it('leads to the app when a silent sign-in finds nobody signed in', async () => {
    testGateway.provider.user = undefined;
    expectFailure(await callbackOf(testGateway, '?prompt=none'), 'login_required');
  });

  it('leads to the app when the client secret is wrong', async () => {
    testGateway.provider.client = { ...testGateway.provider.client, secret: 'another' };
    expectFailure(await callbackOf(testGateway), 'refused');
  });

  it('leads to the app when the ID token is invalid', async () => {
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, aud: 'other' });
    expectFailure(await callbackOf(testGateway), 'refused');
    expect(testGateway.agent.cookies.all()).toEqual([]);
  });

  it('leads to the app when the callback has two codes, and clears the cookie of the sign-in', async () => {
    testGateway.provider.patchAuthorizationResponse = (parameters) => parameters;
    const { authorizationUrl } = await beginLogin(testGateway.agent, '?returnTo=/inbox');
    const sent = await testGateway.agent.get(authorizationUrl.href);
    const { response } = await testGateway.agent.navigate(`${sent.header('location')}&code=two`);
    expect(new URL(response.url).searchParams.get('auth_error')).toBe('refused');
    expect(new URL(response.url).pathname).toBe('/inbox');
    expect(testGateway.agent.cookies.all()).toEqual([]);
  });

  it('leads to the app when the token endpoint is down', async () => {
    testGateway.provider.faults.token = { status: 503 };
    expectFailure(await callbackOf(testGateway), 'provider_unavailable');
  });

  it('leads to the app when the store is down', async () => {
    const { authorizationUrl } = await beginLogin(testGateway.agent);
    const sent = await testGateway.agent.get(authorizationUrl.href);
    await redis.stop();
    try {
      const { chain } = await testGateway.agent.navigate(sent.header('location') ?? '');
      expectFailure(chain[0] ?? (await callbackOf(testGateway)), 'store_unavailable');
    } finally {
      await redis.start();
    }
  });

  it('keeps the query and the fragment of returnTo, but for an earlier failure', async () => {
    refuseWith('access_denied');
    const returnTo = '/inbox?folder=a%20b&auth_error=refused&auth_request_id=old&page=2#last';
    const callback = await callbackOf(testGateway, `?${new URLSearchParams({ returnTo })}`);
    expect(callback.header('location')).toBe(
      `/inbox?folder=a%20b&page=2&auth_error=access_denied&auth_request_id=${callback.header('x-request-id')}#last`,
    );
    testGateway.provider.patchAuthorizationResponse = undefined;
    const next = await callbackOf(testGateway, `?${new URLSearchParams({ returnTo })}`);
    expect(next.header('location')).toBe('/inbox?folder=a%20b&page=2#last');
  });

  it('keeps the session that the browser had', async () => {
    await testGateway.agent.signIn();
    refuseWith('access_denied');
    expectFailure(await callbackOf(testGateway), 'access_denied');
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('gets a problem document when the callback is no navigation', async () => {
    refuseWith('access_denied');
    const { authorizationUrl } = await beginLogin(testGateway.agent);
    const sent = await testGateway.agent.get(authorizationUrl.href);
    const response = await testGateway.agent.fetch(sent.header('location') ?? '');
    expect(response.status).toBe(400);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.json()).toMatchObject({ code: 'login_failed' });
  });
});

describe('a callback that belongs to no sign-in of the browser', () => {
  const unknown = '/auth/callback?code=x&state=y';

  it('gets a page that offers a new sign-in', async () => {
    const { response } = await testGateway.agent.navigate(unknown);
    expect(response.status).toBe(400);
    expect(response.header('content-type')).toBe('text/html; charset=utf-8');
    expect(response.text()).toContain('<h1>This sign-in is over</h1>');
    expect(response.text()).toContain('href="/auth/login"');
  });

  it('leads to login.failureReturnTo', async () => {
    const other = await openTestGatewayForTest({ config: { login: { failureReturnTo: '/failed?a=1' } } });
    for (const [query, authError] of [
      ['?code=x&state=y', 'state_expired'],
      [`?error=access_denied&state=y&error_description=${encodeURIComponent(words)}`, 'state_expired'],
      ['?code=x', 'refused'],
    ] as const) {
      const { chain } = await other.agent.navigate(`/auth/callback${query}`);
      const [callback = await other.agent.get('/')] = chain;
      expectFailure(callback, authError, '/failed');
      expect(callback.header('location')).toMatch(/^\/failed\?a=1&auth_error=/);
    }
  });

  it('leads to the app when the user is signed in already', async () => {
    const other = await openTestGatewayForTest({
      config: { login: { defaultReturnTo: '/home', failureReturnTo: '/failed' } },
    });
    const { authorizationUrl } = await beginLogin(other.agent);
    const sent = await other.agent.get(authorizationUrl.href);
    const callback = sent.header('location') ?? '';
    expect((await other.agent.navigate(callback)).chain[0]?.status).toBe(303);
    const { chain } = await other.agent.navigate(callback);
    expect(chain[0]?.status).toBe(303);
    expect(chain[0]?.header('location')).toBe('/home');
    expect((await other.agent.fetch('/api/one')).status).toBe(200);
  });
});
