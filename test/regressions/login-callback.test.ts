import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { errorCodeOf } from '../../testkit/gateway/error-code.ts';
import { startFakeProvider } from '../../testkit/fake-provider/fake-provider.ts';
import { startGateway } from '../../testkit/gateway/gateway.ts';
import { authorize, beginLogin, login } from '../../testkit/gateway/login-steps.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';

/*
 * Logins of other products that accepted a response that they should have rejected, or failed on one; each advisory by its name.
 */

let testGateway: TestGateway;

beforeEach(async () => {
  testGateway = await openTestGateway();
});

afterEach(() => testGateway.close());

/** Begins a login and returns the callback to which the provider redirects. */
async function providerCallback(agent = testGateway.agent, query?: string): Promise<URL> {
  return authorize(agent, await beginLogin(agent, query));
}

/** Expects that a callback started no session and redeemed no code. */
async function expectRefused(response: AgentResponse, agent: UserAgent = testGateway.agent): Promise<void> {
  expect(response.json()).toMatchObject({ status: 400, code: 'login_failed', reason: expect.any(String) });
  expect(response.header('location')).toBeUndefined();
  expect(testGateway.provider.tokenCalls()).toBe(0);
  expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
}

describe('CVE-2023-27490 (GHSA-7r7x-4c4q-c4qf), next-auth: an altered authorization request that disables checks', () => {
  it('a login whose authorization request lost its state starts no session (standards: B2)', async () => {
    const callback = await providerCallback();
    callback.searchParams.delete('state');
    await expectRefused(await testGateway.agent.get(callback.href));
  });

  it('a login whose authorization request lost its nonce starts no session (standards: C11)', async () => {
    testGateway.provider.patchIdToken = ({ nonce: _nonce, ...claims }) => claims;
    const response = await login(testGateway.agent);
    expect(response.json()).toMatchObject({ status: 400, reason: expect.stringContaining('"nonce"') });
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it.each(['code_challenge', 'nonce', 'state'])(
    'a login whose authorization request carries the %s of another browser starts no session (standards: B3, B4)',
    async (name) => {
      const [own, others] = [await beginLogin(testGateway.agent), await beginLogin(testGateway.browser())];
      const altered = new URL(own.authorizationUrl);
      altered.searchParams.set(name, others.authorizationUrl.searchParams.get(name) ?? '');
      const callback = await authorize(testGateway.agent, { ...own, authorizationUrl: altered });
      expect((await testGateway.agent.get(callback.href)).json()).toMatchObject({ code: 'login_failed' });
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    },
  );
});

describe('CVE-2026-73419, Auth.js: a login that begins with one provider and finishes with another', () => {
  it('the callback is rejected and neither provider receives the code (standards: B8)', async () => {
    const other = await startFakeProvider();
    onTestFinished(() => other.close());
    other.metadata['authorization_response_iss_parameter_supported'] = false;
    const gateway = await startGateway({
      provider: other,
      upstream: testGateway.upstream,
      baseUrl: testGateway.gateway.url,
    });
    onTestFinished(() => gateway.close());
    const callback = await providerCallback();
    callback.searchParams.delete('iss');
    const victim = testGateway.browser({ like: testGateway.agent, at: gateway });
    await expectRefused(await victim.get(callback.href), victim);
    expect(other.tokenCalls()).toBe(0);
  });
});

describe.each([
  ['CVE-2026-81888 (GHSA-fm3f-ch8h-qw8q)', '@hono/oauth-providers'],
  ['GHSA-xc49-mgwh-9pjv', 'nuxt-auth-utils'],
  ['CVE-2026-54599 (GHSA-gr2w-m9v4-qm3v)', 'Wallos'],
])('%s, %s: a state that is not verified', (_advisory, _product) => {
  it.each<[string, (callback: URL, other: URL) => void]>([
    ['is missing', ({ searchParams }) => searchParams.delete('state')],
    ['is empty', ({ searchParams }) => searchParams.set('state', '')],
    ['is invented', ({ searchParams }) => searchParams.set('state', 'x'.repeat(43))],
    [
      'is the state of another browser',
      (own, other) => own.searchParams.set('state', other.searchParams.get('state') ?? ''),
    ],
    ['appears twice', ({ searchParams }) => searchParams.append('state', searchParams.get('state') ?? '')],
    [
      'has the name state[]',
      (callback) => void (callback.search = callback.search.replace('state=', 'state[]=')),
    ],
    [
      'has the name State',
      (callback) => void (callback.search = callback.search.replace('state=', 'State=')),
    ],
  ])(
    'rejects a callback whose state %s although the browser has begun a login (standards: B2)',
    async (_what, change) => {
      const callback = await providerCallback();
      change(callback, await providerCallback(testGateway.browser(), '?login_hint=mallory'));
      await expectRefused(await testGateway.agent.get(callback.href));
    },
  );

  it('rejects a complete authorization response of an attacker and signs nobody in (standards: B2, E16)', async () => {
    const attackers = await providerCallback(testGateway.browser(), '?login_hint=mallory');
    await beginLogin(testGateway.agent);
    await expectRefused(await testGateway.agent.get(attackers.href));
  });
});

describe('CVE-2026-82462, pac4j: a callback with an access token alone', () => {
  it.each(['access_token', 'id_token', 'token', 'response'])(
    'is rejected with "%s" in place of the code and in addition to it (standards: C24)',
    async (name) => {
      await testGateway.browser().signIn();
      const stolen = testGateway.provider.secrets(['access_token']).at(-1) ?? '';
      const before = testGateway.provider.tokenCalls();
      for (const keepsCode of [false, true]) {
        const callback = await providerCallback();
        if (!keepsCode) callback.searchParams.delete('code');
        callback.searchParams.set(name, stolen);
        expect((await testGateway.agent.get(callback.href)).json()).toMatchObject({
          status: 400,
          code: 'login_failed',
        });
      }
      expect(testGateway.provider.tokenCalls()).toBe(before);
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    },
  );
});

describe('CVE-2025-67716 (GHSA-mr6f-h57v-rpj5), nextjs-auth0: parameters injected into the authorization request', () => {
  it.each([
    'returnTo=/x%26scope%3Dadmin%26acr_values%3D0',
    'returnTo=/x&scope=admin&acr_values=0',
    'scope=admin&redirect_uri=https%3A%2F%2Fevil.example&client_id=other&response_type=token&audience=other',
    'login_hint=a%26scope%3Dadmin',
    'prompt=none%26scope%3Dadmin',
  ])('the authorization request contains no injected value from the login query %s', async (query) => {
    const { searchParams } = (await beginLogin(testGateway.agent, `?${query}`)).authorizationUrl;
    expect(searchParams.getAll('scope')).toEqual(['openid profile email offline_access']);
    expect(searchParams.getAll('redirect_uri')).toEqual([`${testGateway.gateway.url}/auth/callback`]);
    expect(searchParams.getAll('client_id')).toEqual(['web']);
    expect(searchParams.getAll('response_type')).toEqual(['code']);
    expect([...searchParams.keys()]).not.toContain('acr_values');
    expect([...searchParams.keys()]).not.toContain('audience');
  });
});

describe.each([
  ['CVE-2021-32702 (GHSA-954c-jjx6-cxv7)', 'nextjs-auth0'],
  ['CVE-2021-32792 (GHSA-458c-7pwg-3j7j)', 'mod_auth_openidc'],
  ['CVE-2019-1010247', 'mod_auth_openidc'],
])('%s, %s: markup in a parameter that is reflected into a page', (_advisory, _product) => {
  const markup = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`;

  it('no response contains markup from any request parameter (standards: C23)', async () => {
    const names = ['error', 'error_description', 'error_uri', 'code', 'iss', 'session_state', 'x'];
    for (const name of names) {
      const callback = await providerCallback();
      callback.searchParams.set(name, markup);
      if (name === 'error_description' || name === 'error_uri')
        callback.searchParams.set('error', 'server_error');
      const response = await testGateway.agent.get(callback.href);
      expect(response.text()).not.toMatch(/[<>]/);
      // Unknown parameters are ignored, and the login ends without a body.
      expect(response.header('content-type') ?? 'no body').toMatch(
        /^(?:no body|application\/problem\+json)$/,
      );
    }
    for (const path of ['login?returnTo', 'login?login_hint', 'callback?state', 'callback?error', 'none?x']) {
      const response = await testGateway.agent.get(`/auth/${path}=${encodeURIComponent(markup)}`);
      expect(response.text()).not.toContain('<');
      expect(response.header('x-content-type-options')).toBe('nosniff');
      expect(response.header('content-security-policy')).toContain("default-src 'none'");
    }
  });
});

describe('CVE-2022-31093, next-auth: a malformed return URL that throws and leaves the request without a response', () => {
  it.each([
    '%',
    '%zz',
    '%00',
    'http://[',
    '//[::',
    'javascript:%',
    '%c0%af',
    `/${'%'.repeat(900)}`,
    '\u{1f600}',
  ])('a login with the returnTo %j completes and redirects to a path of the app', async (returnTo) => {
    for (const value of [encodeURIComponent(returnTo), returnTo.replace(/[^\x21-\x7e]/g, '%ff')]) {
      const callback = await login(testGateway.agent, `?returnTo=${value}`);
      expect(callback.status).toBe(303);
      expect(callback.header('location')).toMatch(/^\/(?:%+)?$/);
    }
  });
});

describe('CVE-2023-27496, Envoy: a callback without a state that crashes the process', () => {
  it.each([
    '',
    '?',
    '?code',
    '?code=',
    '?code=x',
    '?=&=',
    '?state',
    '?state=',
    '?%',
    '?state=%ff',
    '?error=',
    '?&&&',
  ])('rejects a callback with the query %j and completes the next login (standards: C29)', async (query) => {
    const head = `GET /auth/callback${query} HTTP/1.1\r\nHost: 127.0.0.1:${testGateway.gateway.port}\r\n\r\n`;
    const response = await rawRequest(testGateway.gateway.port, head);
    expect(response.status).toBe(400);
    expect(JSON.parse(response.body.toString())).toMatchObject({
      code: expect.stringMatching(/login_failed|bad_request/),
    });
    await testGateway.agent.signIn();
  });
});

describe('CVE-2025-31492 (GHSA-59jp-rwph-878r), mod_auth_openidc: protected content after the login redirect', () => {
  it.each(['navigate', 'cors'])(
    'the 401 for a request in mode %s contains nothing from the API (standards: A21, F33)',
    async (mode) => {
      testGateway.upstream.respond((_request, response) => void response.end('canary of the API'));
      const response = await testGateway.agent.get('/api/one', {
        headers: { 'sec-fetch-mode': mode, 'sec-fetch-site': 'same-origin' },
      });
      expect(response.status).toBe(401);
      expect(errorCodeOf(response.text(), testGateway.gateway)).toBe('session_required');
      expect(response.text()).toContain('"/auth/login');
      expect(testGateway.agent.received()).not.toContain('canary of the API');
      expect(testGateway.upstream.requests).toEqual([]);
    },
  );
});

describe('GHSA-fv82-r8qv-ch4v, Pomerium: signed login parameters that are not verified', () => {
  it('rejects a login cookie in which any character was changed (standards: B7)', async () => {
    const callback = await providerCallback();
    const [cookie] = testGateway.agent.cookies.all();
    const value = cookie?.value ?? '';
    // All but the start time, which only orders the cookies.
    for (let at = value.indexOf('.'); at < value.length; at += 4) {
      const other = value[at] === 'A' ? 'B' : 'A';
      const forged = `${cookie?.name}=${value.slice(0, at)}${other}${value.slice(at + 1)}`;
      const response = await testGateway.browser().get(callback.href, { headers: { cookie: forged } });
      expect(response.json()).toMatchObject({ status: 400, code: 'login_failed' });
    }
    expect(testGateway.provider.tokenCalls()).toBe(0);
    expect((await testGateway.agent.get(callback.href)).status).toBe(303);
  });
});

describe('GHSA-hhqp-vx7f-5c6m, oauth2-proxy: the credentials of a failed callback in the log', () => {
  /** Everything secret about a sign-in: the callback's query values, the seals of its cookies, and the client's secret. */
  const secretsOf = (callback: URL): string[] => [
    callback.searchParams.get('code') ?? '',
    callback.searchParams.get('state') ?? '',
    ...testGateway.agent.cookies.all().map(({ value }) => value),
    ...testGateway.provider.secrets(),
  ];

  it.each<[string, (callback: URL) => void]>([
    [
      'has the state of no sign-in',
      (callback) => callback.searchParams.set('state', 'other-state-of-the-test'),
    ],
    ['has another issuer', (callback) => callback.searchParams.set('iss', 'https://evil.example')],
    ['has the code twice', (callback) => callback.searchParams.append('code', 'second-code-of-the-test')],
    ['has an error besides', (callback) => callback.searchParams.set('error', 'invalid')],
    [
      'has an access token besides',
      (callback) => callback.searchParams.set('access_token', 'access-token-of-the-test'),
    ],
    [
      'has a code that the provider rejects',
      (callback) => callback.searchParams.set('code', 'other-code-of-the-test'),
    ],
  ])('logs the reason and none of them when it %s (standards: H1)', async (_what, change) => {
    const callback = await providerCallback();
    change(callback);
    const secrets = [...secretsOf(callback), ...callback.searchParams.values()].filter(
      (text) => text.length > 8 && !text.startsWith('http'),
    );
    expect(secrets.length).toBeGreaterThan(3);
    await testGateway.agent.get(callback.href);
    const logs = testGateway.gateway.logs();
    expect(logs).toMatch(/"msg":"(?:login failed|request failed)"/);
    for (const secret of [...secrets, ...secretsOf(callback).filter((text) => text.length > 8)])
      expect(logs).not.toContain(secret);
  });
});
