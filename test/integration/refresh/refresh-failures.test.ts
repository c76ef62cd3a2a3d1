import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Fault } from '../../../testkit/fake-provider/faults.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;
/** Longer than the pause for a failing token endpoint, in milliseconds. */
const PAUSE = 60_000;
/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let testGateway: TestGateway;

/** Opens the test gateway of a test, with a signed-in user. */
async function open(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const opened = await openTestGatewayForTest(options);
  await opened.agent.signIn();
  return opened;
}

beforeEach(async () => {
  testGateway = await open();
});

const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
/** The calls with a refresh token of a session: after two without a response, a made-up one goes first. */
const spendings = () => {
  const issued = new Set(testGateway.provider.tokenLedger().map(({ token }) => token));
  return testGateway.provider.requests.filter(({ form }) => issued.has(form?.['refresh_token'] ?? '')).length;
};
const call = (path = '/api/one') => testGateway.agent.fetch(path);
const calls = (count: number) => Promise.all(Array.from({ length: count }, (_, at) => call(`/api/${at}`)));
const json = (
  code: number,
  body: Record<string, unknown> | string,
  headers: Record<string, string> = {},
) => ({
  status: code,
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

/** Expects a 503 with Retry-After that keeps the session and its cookie. */
async function expectKept(response: AgentResponse): Promise<void> {
  expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(response.setCookies).toEqual([]);
  expect(testGateway.upstream.requests).toEqual([]);
  expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
}

/** Expects 401 session_expired and a cleared cookie. */
function expectEnded(response: AgentResponse): void {
  expect(response.json()).toMatchObject({ status: 401, code: 'session_expired', loginUrl: '/auth/login' });
  expect(response.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
  expect(response.header('www-authenticate')).toBeUndefined();
}

describe('a refresh token that the provider rejects (standards: G11, A19)', () => {
  it('ends the session, clears the cookie and responds 401 session_expired', async () => {
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE);
    const replayed = testGateway.browser({ like: testGateway.agent });
    expectEnded(await call());
    expectEnded(await replayed.fetch('/api/one'));
    expect((await replayed.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(testGateway.upstream.requests).toEqual([]);
    expect(refreshes()).toBe(1);
  });

  it('ends the session for all waiting requests with one token request and no revocation', async () => {
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token');
    const tabs = Array.from({ length: 20 }, () => testGateway.browser({ like: testGateway.agent }));
    const responses = tabs.map((tab) => tab.fetch('/api/one'));
    await gate.waiting();
    gate.release();
    for (const response of await Promise.all(responses)) expectEnded(response);
    expect(refreshes()).toBe(1);
    expect(testGateway.provider.requests.filter(({ endpoint }) => endpoint === 'revoke')).toEqual([]);
  });

  it('ends no other session', async () => {
    const bob = testGateway.browser();
    await bob.signIn('/', { loginHint: 'bob' });
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE);
    expectEnded(await call());
    expect((await bob.fetch('/api/one')).status).toBe(200);
  });

  it('ends the session in the background while the access token is valid so that only the next call fails', async () => {
    testGateway.upstream.respond((_request, response) => void response.end());
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE * 0.85);
    expect((await call()).status).toBe(200);
    await vi.waitFor(
      async () => expectEnded(await testGateway.browser({ like: testGateway.agent }).fetch('/api/two')),
      PATIENCE,
    );
  });

  it('makes the call anonymous on an optional route', async () => {
    testGateway.upstream.respond(
      (_request, response, record) => void response.end(record.bearer ?? 'anonymous'),
    );
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE);
    expect((await call('/optional/one')).text()).toBe('anonymous');
  });
});

describe('a refresh that fails for another reason keeps the session (standards: G12, G13)', () => {
  const misconfigured: [string, Fault][] = [
    [
      'reports invalid_client with a challenge',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
    ],
    ['reports invalid_client without a challenge', json(400, { error: 'invalid_client' })],
    ['reports unauthorized_client', json(400, { error: 'unauthorized_client' })],
    ['reports unsupported_grant_type', json(400, { error: 'unsupported_grant_type' })],
    ['reports invalid_request', json(400, { error: 'invalid_request' })],
    ['reports invalid_scope', json(400, { error: 'invalid_scope' })],
    ['redirects', { status: 302, headers: { location: 'https://other.example/' } }],
    ['responds 404', { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404</h1>' }],
    ['responds 403', { status: 403 }],
  ];
  const transient: [string, Fault][] = [
    ['responds 500', { status: 500 }],
    ['responds 500 with server_error', json(500, { error: 'server_error' })],
    ['responds 502', { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>502</h1>' }],
    ['responds 503', { status: 503 }],
    ['responds 503 with temporarily_unavailable', json(503, { error: 'temporarily_unavailable' })],
    ['responds 429', { status: 429 }],
    ['responds 408', { status: 408 }],
  ];
  const malformed: [string, Fault][] = [
    ['responds with an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['truncates its response', json(200, '{"access_token":')],
    ['responds with a list', json(200, '[]')],
    ['responds with an empty body', json(200, '')],
    ['omits all tokens', json(200, { token_type: 'Bearer', expires_in: 300 })],
    ['sends a response that is too large', json(200, `{"access_token":"${'x'.repeat(1_100_000)}"}`)],
  ];

  it.each([...misconfigured, ...transient, ...malformed])(
    'and responds 503 until recovery when the token endpoint %s',
    async (_what, fault) => {
      testGateway.provider.faults.token = fault;
      testGateway.advance(LIFE);
      for (const response of await calls(5)) await expectKept(response);
      const failed = spendings();
      expect(failed).toBeGreaterThanOrEqual(1);
      expect(failed).toBeLessThanOrEqual(3);
      expect(refreshes()).toBeLessThanOrEqual(3);

      testGateway.provider.faults.clear();
      testGateway.advance(PAUSE);
      expect((await call()).status).toBe(200);
      expect(spendings()).toBe(failed + 1);
      expect(testGateway.provider.tokenLedger()).toMatchObject([
        { spent: 1, reuses: 0 },
        { spent: 0, familyAlive: true },
      ]);
    },
  );

  it.each(misconfigured)('and is not retried when the token endpoint %s', async (_what, fault) => {
    testGateway.provider.faults.token = fault;
    testGateway.advance(LIFE);
    await expectKept(await call());
    expect(refreshes()).toBe(1);
  });

  it('and logs an error when the provider rejects the client', async () => {
    testGateway.provider.faults.token = json(401, { error: 'invalid_client' });
    testGateway.advance(LIFE);
    await expectKept(await call());
    expect(testGateway.gateway.logs()).toMatch(/"level":"error".*"error":"invalid_client"/);
  });

  it('and is retried so that a transient failure is not visible', async () => {
    testGateway.provider.faults.token = { status: 429, times: 2 };
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(refreshes()).toBe(3);
  });

  it('and is sent once more, not twice, after a 504 of a proxy that may have come after the rotation', async () => {
    testGateway.provider.faults.token = { status: 504, when: 'after', times: 5 };
    testGateway.advance(LIFE);
    await expectKept(await call());
    expect(refreshes()).toBe(2);
  });

  it('and is tried again after 30 s, whatever Retry-After the provider sends', async () => {
    testGateway.provider.faults.token = { status: 429, headers: { 'retry-after': '3600' }, times: 1 };
    testGateway.advance(LIFE);
    await expectKept(await call());
    testGateway.advance(30_000);
    expect((await call()).status).toBe(200);
  });

  it.each([
    ['in seconds', () => '30'],
    ['as a date', () => new Date(Date.now() + 30_000).toUTCString()],
  ])('and is not repeated before the Retry-After of the provider given %s', async (_how, retryAfter) => {
    testGateway.provider.faults.token = { status: 429, headers: { 'retry-after': retryAfter() }, times: 1 };
    testGateway.advance(LIFE);
    const response = await call();
    await expectKept(response);
    expect(Number(response.header('retry-after'))).toBeGreaterThan(15);
    expect(Number(response.header('retry-after'))).toBeLessThanOrEqual(30);
    for (const next of await calls(10)) await expectKept(next);
    expect(refreshes()).toBe(1);
    testGateway.advance(30_000);
    expect((await call()).status).toBe(200);
  });

  it('and limits Retry-After to one hour', async () => {
    testGateway.provider.faults.token = { status: 503, headers: { 'retry-after': '99999999' }, times: 1 };
    testGateway.advance(LIFE);
    expect(Number((await call()).header('retry-after'))).toBe(3_600);
  });

  it('and backs off when the token endpoint keeps failing', async () => {
    testGateway.provider.faults.token = { status: 500 };
    testGateway.advance(LIFE);
    for (let wave = 0; wave < 10; wave += 1)
      for (const response of await calls(10)) await expectKept(response);
    // Without a pause, each wave sends at least one. The pause runs in real time: a slow machine may see it end.
    const sent = refreshes();
    expect(sent).toBeLessThan(10);
    testGateway.advance(PAUSE);
    await expectKept(await call());
    expect(refreshes()).toBeLessThanOrEqual(sent + 2);
  });
});

describe('a refresh with an unknown outcome (standards: G15)', () => {
  it('is retried once and succeeds when the provider has not processed the request', async () => {
    testGateway.provider.faults.dropBefore('token');
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(testGateway.provider.tokenLedger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { familyAlive: true },
    ]);
  });

  it('is retried once and succeeds within the grace period of the provider', async () => {
    Object.assign(testGateway.provider, { rotate: 'grace', graceMs: 60_000 });
    testGateway.provider.faults.dropAfterProcessing('token');
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(refreshes()).toBe(2);
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(testGateway.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  });

  it('ends the session cleanly when each refresh token allows one use', async () => {
    testGateway.provider.faults.dropAfterProcessing('token');
    testGateway.advance(LIFE);
    expectEnded(await call());
    expect(refreshes()).toBe(2);
    expect(testGateway.provider.families).toMatchObject([{ alive: false, reuses: 1 }]);
    await testGateway.agent.signIn();
    expect((await call()).status).toBe(200);
  });

  it('is retried only once', async () => {
    testGateway.provider.faults.dropBefore('token', 100);
    testGateway.advance(LIFE);
    await expectKept(await call());
    expect(refreshes()).toBe(2);
  });
});

describe('a refresh that exceeds its timeout (standards: G24)', () => {
  beforeEach(async () => {
    testGateway = await open({ config: { refresh: { timeout: '250ms', retries: 0 } } });
    Object.assign(testGateway.provider, { rotate: 'grace', graceMs: 60_000 });
    testGateway.advance(LIFE);
  });

  it('causes a 503, keeps the session and lets a later call succeed', async () => {
    const gate = testGateway.provider.faults.hold('token');
    for (const response of await calls(10)) await expectKept(response);
    expect(refreshes()).toBe(1);
    gate.release();
    await vi.waitFor(async () => expect((await call()).status).toBe(200), PATIENCE);
    expect(testGateway.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  });

  it('causes a 503 when the token response arrives too slowly', async () => {
    testGateway.provider.faults.delayMs('token', 5_000);
    await expectKept(await call());
    testGateway.provider.faults.delayMs('token', 0);
    await vi.waitFor(async () => expect((await call()).status).toBe(200), PATIENCE);
  });
});

describe('refresh.maxPerMinute', () => {
  it('limits the refreshes of one session and allows more a minute later', async () => {
    testGateway = await open({ config: { refresh: { maxPerMinute: 3 } } });
    testGateway.provider.accessTokenLifetime = 10;
    testGateway.advance(LIFE);
    const statuses = [];
    for (let each = 0; each < 6; each += 1) {
      statuses.push((await call()).status);
      testGateway.advance(10_000);
    }
    expect(statuses).toEqual([200, 200, 200, 503, 503, 503]);
    expect(refreshes()).toBe(3);
    testGateway.advance(60_000);
    expect((await call()).status).toBe(200);
  });
});
