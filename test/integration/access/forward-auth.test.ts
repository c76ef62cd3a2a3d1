import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { SentHeaders } from '../../../testkit/user-agent/transport.ts';
import { createUserAgent, type UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../proxy/fixture.ts';

/** The proof of a proxy that it may have access tokens. */
const SECRET = 'the-secret-of-the-proxy-and-no-one-else';
const routes = [
  { path: '/admin', require: [{ claim: '/role', equals: 'admin' }] },
  { path: '/told', identity: { headers: { 'X-User': '/sub', 'X-Roles': '/roles' } }, websocket: true },
  { path: '/told/maybe', auth: 'optional', identity: { headers: { 'X-User': '/sub' } } },
  { path: '/read', methods: ['GET'] },
  { path: '/cookied', auth: 'none', cookies: { toUpstream: ['theme'] } },
  { path: '/given', forwardAuth: { authorizationSecret: SECRET } },
  { path: '/stepped', scopes: ['never.granted'] },
];

let fixture: Fixture;
let anonymous: UserAgent;

beforeAll(async () => {
  fixture = await openFixture({ routes, config: { trustProxy: ['127.0.0.1'] } });
  anonymous = createUserAgent(fixture.gateway.url);
  fixture.provider.patchIdToken = (given) => ({ ...given, roles: ['a', 'b'] });
  await fixture.agent.signIn('/');
});
beforeEach(() => fixture.reset());
afterAll(async () => {
  anonymous.close();
  await fixture.close();
});

/** Asks as a proxy does for a browser that calls this path. */
const check = (uri: string, headers: SentHeaders = {}, agent = fixture.agent) =>
  agent.request('/auth/check', {
    headers: { 'x-forwarded-uri': uri, 'x-forwarded-method': 'GET', ...headers },
  });
const sameOrigin = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };

describe('GET /auth/check', () => {
  it('responds 200 with the identity headers and without a token, and calls no upstream', async () => {
    const response = await check('/told/one?x=1', sameOrigin);
    expect(response.status).toBe(200);
    expect(response.header('x-user')).toBe('alice');
    expect(response.header('x-roles')).toBe('a,b');
    expect(response.header('authorization')).toBeUndefined();
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.body).toHaveLength(0);
    expect(fixture.upstream.requests).toHaveLength(0);
  });

  it('takes the names of nginx as well', async () => {
    const headers = { 'x-original-uri': '/told/one', 'x-original-method': 'GET' };
    const response = await fixture.agent.request('/auth/check', { headers });
    expect(response.status).toBe(200);
    expect(response.header('x-user')).toBe('alice');
  });

  it('responds 401 with X-Login-Url to an anonymous caller', async () => {
    const response = await check('/told/one', sameOrigin, anonymous);
    expect(response.status).toBe(401);
    expect(response.header('x-login-url')).toBe('/auth/login');
    expect(response.json()).toMatchObject({ code: 'session_required', loginUrl: '/auth/login' });
  });

  it('names the page to return to when a user navigates', async () => {
    const response = await check('/told/one?x=1&y=2', { accept: 'text/html' }, anonymous);
    expect(response.status).toBe(401);
    expect(response.header('x-login-url')).toBe('/auth/login?returnTo=%2Ftold%2Fone%3Fx%3D1%26y%3D2');
    expect(response.header('content-type')).toContain('text/html');
  });

  it('lets anonymous callers of optional and open routes pass, without an identity', async () => {
    const response = await check('/told/maybe/one', { 'x-user': 'attacker' }, anonymous);
    expect(response.status).toBe(200);
    expect(response.header('x-user')).toBeUndefined();
    expect((await check('/public/one', {}, anonymous)).status).toBe(200);
  });

  it.each([
    ['a rule that does not hold', '/admin/one', {}],
    ['a path without a route', '/nowhere', {}],
    ['its own endpoints', '/auth/session', {}],
    ['a path that could be of another route', '/told/%61dmin/../admin', {}],
    ['an encoded path of another route', '/%61dmin/one', {}],
    ['a path of another letter case', '/Admin/one', {}],
    ['a full URL', 'https://app.example/told/one', {}],
    ['a method that the route does not allow', '/read/one', { 'x-forwarded-method': 'POST' }],
    ['an unknown method on a route that allows some', '/read/one', { 'x-forwarded-method': undefined }],
    ['two different URIs', '/told/one', { 'x-original-uri': '/public/one' }],
    ['two different methods', '/told/one', { 'x-original-method': 'POST' }],
    ['an upgrade on a route without WebSockets', '/api/one', { 'sec-websocket-key': 'x' }],
  ] as const)('responds 403 to %s', async (_what, uri, headers) => {
    const response = await check(uri, { ...sameOrigin, ...headers });
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'not_allowed' });
    expect(response.header('x-user')).toBeUndefined();
  });

  it.each([
    ['an unsafe request without a sign of its origin', { 'x-forwarded-method': 'POST' }],
    ['an unsafe request of another site', { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site' }],
    [
      'a form of another site',
      {
        'x-forwarded-method': 'POST',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
    ],
    [
      'an image of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    ],
    ['another origin', { origin: 'https://evil.example' }],
    [
      'another origin, with an unknown method',
      { origin: 'https://evil.example', 'x-forwarded-method': undefined },
    ],
    [
      'an upgrade of another origin',
      { origin: 'https://evil.example', 'sec-websocket-key': 'x', 'sec-fetch-site': 'cross-site' },
    ],
    ['an upgrade without an origin', { 'sec-websocket-key': 'x' }],
  ] as const)('responds 403 to %s (standards: A11)', async (_what, headers) => {
    const response = await check('/told/one', headers);
    expect(response.status).toBe(403);
    expect(response.header('x-user')).toBeUndefined();
    expect(fixture.upstream.requests).toHaveLength(0);
  });

  it.each([
    ['a safe request of a client without fetch metadata', {}],
    [
      'a link of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    ],
    ['an unsafe request of the page', { ...sameOrigin, 'x-forwarded-method': 'POST' }],
    ['an unsafe request with the static header', { 'x-csrf': '1', 'x-forwarded-method': 'DELETE' }],
  ] as const)('responds 200 to %s', async (_what, headers) => {
    expect((await check('/told/one', headers)).status).toBe(200);
  });

  it('applies the CSRF check to an open route only if a cookie of the browser passes', async () => {
    const foreign = { 'x-forwarded-method': 'POST', 'sec-fetch-site': 'cross-site' };
    expect((await check('/public/one', foreign)).status).toBe(200);
    expect((await check('/cookied/one', foreign)).status).toBe(403);
    expect((await check('/cookied/one', { ...sameOrigin, 'x-forwarded-method': 'POST' })).status).toBe(200);
  });

  it('responds 200 to an upgrade of the page', async () => {
    const headers = { origin: fixture.gateway.url, 'sec-websocket-key': 'x' };
    expect((await check('/told/live', headers)).status).toBe(200);
  });

  it('rejects a request without a path', async () => {
    const response = await fixture.agent.request('/auth/check');
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({ code: 'bad_request' });
  });

  it('tells nobody outside trustProxy anything (standards: F8)', async () => {
    await fixture.gateway.reload({ trustProxy: ['192.0.2.1'] });
    for (const agent of [fixture.agent, anonymous]) {
      const response = await check('/public/one', {}, agent);
      expect(response.status).toBe(400);
      expect(response.header('x-user')).toBeUndefined();
      expect(response.json()).toMatchObject({
        code: 'bad_request',
        detail: expect.stringContaining('trustProxy'),
      });
    }
    await fixture.gateway.reload({});
    expect((await check('/told/one')).status).toBe(200);
  });
});

describe('the session at GET /auth/check', () => {
  const open = () => openTestGatewayForTest({ routes, config: { trustProxy: ['127.0.0.1'] } });
  const ask = ({ agent }: TestGateway, uri: string, headers: SentHeaders = {}) =>
    check(uri, { ...sameOrigin, ...headers }, agent);

  it('is refreshed, and judged by its new claims, as on the route', async () => {
    const testGateway = await open();
    const { agent, provider, upstream } = testGateway;
    await agent.signIn();
    expect((await ask(testGateway, '/admin/one')).status).toBe(403);
    provider.patchIdToken = (given) => ({ ...given, role: 'admin' });
    testGateway.advance(301_000);
    expect((await ask(testGateway, '/admin/one')).status).toBe(200);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    provider.patchIdToken = undefined;
    testGateway.advance(301_000);
    expect((await ask(testGateway, '/admin/one')).status).toBe(403);
    expect(upstream.requests).toHaveLength(0);
  });

  it('comes without an access token for a proxy without the secret of the route', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    const without = await ask(testGateway, '/given/one');
    expect([without.status, without.header('authorization')]).toEqual([200, undefined]);
    const wrong = await ask(testGateway, '/given/one', { 'x-forward-auth-secret': `${SECRET}x` });
    expect([wrong.status, wrong.header('authorization')]).toEqual([403, undefined]);
  });

  it('that has ended loses its cookie, and X-Login-Url leads to a step-up where that is needed', async () => {
    const testGateway = await open();
    const { agent, provider } = testGateway;
    await agent.signIn();
    const stepped = await ask(testGateway, '/stepped/one');
    expect(stepped.json()).toMatchObject({ code: 'step_up_required' });
    expect(stepped.header('x-login-url')).toMatch(/^\/auth\/login\?stepUp=/);

    provider.invalidateSession({ user: 'alice' });
    testGateway.advance(301_000);
    const ended = await ask(testGateway, '/told/one');
    expect([ended.status, ended.json()]).toMatchObject([401, { code: 'session_expired' }]);
    expect(ended.header('x-login-url')).toBe('/auth/login');
    expect(ended.setCookies.join()).toContain('Max-Age=0');
  });
});

describe('a route without an upstream', () => {
  it('judges for a proxy, and responds 404 to a request or upgrade that reaches it directly', async () => {
    const testGateway = await openTestGatewayForTest({
      config: { trustProxy: ['127.0.0.1'], routes: [{ path: '/asked', websocket: true }] },
    });
    const { agent } = testGateway;
    const ask = () =>
      agent.request('/auth/check', {
        headers: { 'x-forwarded-uri': '/asked/one', 'x-forwarded-method': 'GET', ...sameOrigin },
      });
    expect((await ask()).status).toBe(401);
    await agent.signIn();
    expect((await ask()).status).toBe(200);
    const response = await agent.fetch('/asked/one');
    expect(response.status).toBe(404);
    expect(response.json()).toMatchObject({
      code: 'not_found',
      detail: 'The route /asked has no upstream: it is only for proxies that ask about requests.',
    });
    await expect(agent.websocket('/asked/live')).rejects.toThrow('404');
    expect((await testGateway.browser().fetch('/asked/one')).status).toBe(404);
  });
});
