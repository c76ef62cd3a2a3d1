import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireToken, status } from '../../../testkit/upstream/behaviours.ts';
import type { Program } from '../../../testkit/processes/program.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { UpgradeRefused } from '../../../testkit/user-agent/web-socket.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { expectProblem, FOREIGN_FORM, NAVIGATION } from './responses.ts';

/** How long something may take to show, in milliseconds. */
const patiently = { timeout: 30_000, interval: 100 };

let fixture: Fixture;
let program: Program;
let agent: UserAgent;

beforeAll(async () => {
  fixture = await openFixture();
  const upstream = fixture.upstream.url;
  const routes = [
    { path: '/api', upstream },
    { path: '/small', upstream, maxBody: '10b', methods: ['GET', 'POST'] },
    { path: '/slow', upstream, timeout: { headers: '100ms' } },
    {
      path: '/boss',
      upstream,
      require: [
        { claim: '/sub', equals: 'alice' },
        { claim: '/role', equals: 'boss' },
      ],
    },
    { path: '/down', upstream: 'http://127.0.0.1:1' },
    { path: '/socket', upstream, websocket: true },
  ];
  program = await fixture.start({ config: { routes } });
  agent = await fixture.signedIn(program);
});

beforeEach(() => fixture.upstream.respond(requireToken(fixture.provider.isAccessTokenActive)));

afterAll(() => fixture.close());

const visitor = () => fixture.browser(program);

describe('the error codes', () => {
  it('400 bad_request: a malformed target', async () => {
    expectProblem(await visitor().get('/api/%ff%00'), 400, 'bad_request');
  });

  it('401 session_required and session_expired: with loginUrl, never a redirect', async () => {
    const required = expectProblem(await visitor().fetch('/api/one'), 401, 'session_required');
    expect(required.loginUrl).toBe('/auth/login');
    const leaver = await fixture.signedIn(program, 'bob');
    const other = fixture.browser(program, { like: leaver });
    await leaver.fetch('/auth/logout', { method: 'POST' });
    const expired = expectProblem(await other.fetch('/api/one'), 401, 'session_expired');
    expect(expired.loginUrl).toBe('/auth/login');
  });

  it('403 csrf_rejected and origin_rejected', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' };
    expectProblem(await agent.fetch('/api/one', { headers }), 403, 'csrf_rejected');
    const origin = { origin: 'https://evil.example' };
    expectProblem(await agent.fetch('/api/one', { headers: origin }), 403, 'origin_rejected');
  });

  it("403 not_allowed: names the rule, not the user's claims", async () => {
    const response = await agent.fetch('/boss/one');
    expect(expectProblem(response, 403, 'not_allowed')).toMatchObject({ rule: 1 });
    expect(response.text()).not.toContain('alice');
  });

  it('404 not_found and 405 method_not_allowed with Allow', async () => {
    expectProblem(await visitor().fetch('/auth/nowhere'), 404, 'not_found');
    const endpoint = await visitor().fetch('/auth/logout');
    expectProblem(endpoint, 405, 'method_not_allowed');
    expect(endpoint.header('allow')).toBe('POST');
    const route = await agent.fetch('/small/one', { method: 'DELETE' });
    expectProblem(route, 405, 'method_not_allowed');
    expect(route.header('allow')?.split(', ')).toEqual(expect.arrayContaining(['GET', 'POST']));
  });

  it('413 body_too_large, 421 wrong_host and 431', async () => {
    const large = await agent.fetch('/small/one', { method: 'POST', body: 'more than ten bytes' });
    expectProblem(large, 413, 'body_too_large');
    expectProblem(await visitor().fetch('/', { headers: { host: 'evil.example' } }), 421, 'wrong_host');
    const oversized = { headers: { 'x-long': 'x'.repeat(100_000) } };
    expectProblem(await visitor().fetch('/', oversized), 431, 'headers_too_large');
    const { response } = await visitor().navigate('/', oversized);
    expect(response.status).toBe(431);
    expect(response.text()).toContain('<h1>Address or cookies too long</h1>');
  });

  it('502 upstream_unreachable and upstream_invalid_response, 504 upstream_timeout', async () => {
    expectProblem(await agent.fetch('/down/one'), 502, 'upstream_unreachable');
    fixture.upstream.respond((_request, response) => void response.socket?.end('not HTTP\r\n\r\n'));
    expectProblem(await agent.fetch('/api/one'), 502, 'upstream_invalid_response');
    fixture.upstream.respond(() => undefined);
    expectProblem(await agent.fetch('/slow/one'), 504, 'upstream_timeout');
  });

  it('429 rate_limited: with Retry-After', async () => {
    // With a prefix of its own: replicas that share one count together.
    const session = { keyPrefix: 'limited:' };
    const other = await fixture.start({ config: { session, rateLimit: { login: 1 } } });
    const stranger = fixture.browser(other);
    const responses = [await stranger.get('/auth/login'), await stranger.get('/auth/login')];
    expect(responses[0]?.status).toBe(302);
    expectProblem(responses[1] ?? (await stranger.get('/auth/login')), 429, 'rate_limited');
  });
});

describe('csrf.mode fetch-metadata', () => {
  const bare = { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined, 'sec-fetch-dest': undefined };

  it.each<[string, string, Record<string, string | undefined>, number]>([
    ['same-origin', 'GET', { 'sec-fetch-site': 'same-origin' }, 200],
    ['same-origin', 'POST', { 'sec-fetch-site': 'same-origin' }, 200],
    ['none', 'GET', { 'sec-fetch-site': 'none' }, 200],
    ['none', 'POST', { 'sec-fetch-site': 'none' }, 403],
    ['nothing but X-CSRF', 'POST', { ...bare, 'x-csrf': '1' }, 200],
    ['nothing', 'GET', bare, 403],
    ['same-site', 'GET', { 'sec-fetch-site': 'same-site', 'x-csrf': '1' }, 403],
    ['cross-site', 'POST', { 'sec-fetch-site': 'cross-site', 'x-csrf': '1' }, 403],
    ['same-origin with another Origin', 'POST', { origin: 'https://evil.example', 'x-csrf': '1' }, 403],
  ])('judges a request with Sec-Fetch-Site %s and %s', async (_what, method, headers, expected) => {
    const person = await fixture.signedIn(program, 'frank');
    const before = fixture.upstream.requests.length;
    const response = await person.fetch('/api/one', { method, headers });
    expect(response.status).toBe(expected);
    expect(fixture.upstream.requests.length - before).toBe(expected === 200 ? 1 : 0);
  });

  it('mode header requires X-CSRF on every request besides', async () => {
    const other = await fixture.start({ config: { csrf: { mode: 'header' } } });
    const person = await fixture.signedIn(other, 'frank');
    expectProblem(await person.fetch('/api/one'), 403, 'csrf_rejected');
    expect((await person.fetch('/api/one', { headers: { 'x-csrf': '1' } })).status).toBe(200);
  });

  it('an upgrade needs the Origin of baseUrl', async () => {
    const person = await fixture.signedIn(program, 'frank');
    (await person.websocket('/socket')).close();
    await expect(person.websocket('/socket', { origin: 'https://evil.example' })).rejects.toThrow(
      UpgradeRefused,
    );
  });
});

describe('every response of the endpoints', () => {
  it.each([
    ['GET', '/auth/login', NAVIGATION],
    ['GET', '/auth/login', {}],
    ['GET', '/auth/callback?code=x&state=y', NAVIGATION],
    ['GET', '/auth/callback', {}],
    ['GET', '/auth/session', {}],
    ['HEAD', '/auth/session', {}],
    ['GET', '/auth/sessions', {}],
    ['DELETE', '/auth/sessions', {}],
    ['DELETE', '/auth/sessions/x', { 'sec-fetch-site': 'cross-site' }],
    ['POST', '/auth/session/extend', {}],
    ['POST', '/auth/logout', FOREIGN_FORM],
    ['POST', '/auth/logout', { 'x-csrf': '1' }],
    ['POST', '/auth/backchannel-logout', {}],
    ['GET', '/auth/frontchannel-logout', {}],
    ['PUT', '/auth/login', {}],
    ['GET', '/auth/nowhere', {}],
    ['OPTIONS', '/auth/session', {}],
  ])('has Cache-Control: no-store: %s %s with %j', async (method, path, headers) => {
    const response = await visitor().request(path, { method, headers });
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.header('x-request-id')).toMatch(/^[\w-]{36}$/);
  });
});

it('an upstream cannot make the gateway send a Basic challenge in its own responses', async () => {
  fixture.upstream.respond(status(401, { 'www-authenticate': 'Basic realm="x"' }));
  const response = await agent.fetch('/api/one');
  expect([response.status, response.header('www-authenticate')]).toEqual([401, undefined]);
});

describe('an outage', () => {
  it('gets 503 provider_unavailable or store_unavailable with Retry-After, and the cookie and the session are kept', async () => {
    await fixture.provider.stop();
    const other = await fixture.start();
    expectProblem(await fixture.browser(other).get('/auth/login'), 503, 'provider_unavailable');
    await fixture.provider.start();
    fixture.redis.pause();
    // Until the read cache has forgotten the session, calls need no store.
    const call = async () => (await agent.fetch('/api/one')).status;
    await expect.poll(call, patiently).toBe(503);
    const response = await agent.fetch('/api/one');
    expectProblem(response, 503, 'store_unavailable');
    expect(response.setCookies).toEqual([]);
    fixture.redis.resume();
    await expect.poll(call, patiently).toBe(200);
  });
});
