import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import type { RunningGateway } from '../../../testkit/gateway/gateway.ts';
import { authorize, beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { slowHeaders } from '../../../testkit/upstream/behaviours.ts';
import { hangUp } from '../../../testkit/upstream/streams.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';

/** How long an outage may take to be over, in milliseconds. It is no measure of speed. */
const PATIENCE = { timeout: 20_000, interval: 50 };

let redis: RedisServer;
let testGateway: TestGateway;

async function admin(path: string, { adminUrl }: RunningGateway = testGateway.gateway) {
  const response = await fetch(adminUrl + path);
  return { status: response.status, text: await response.text() };
}

/** The checks of `/readyz`, by name, and whether they make the gateway ready. */
async function readiness(gateway?: RunningGateway) {
  const { status, text } = await admin('/readyz', gateway);
  const { checks } = JSON.parse(text) as { checks: { name: string; ok: boolean; detail: string }[] };
  return { status, ...Object.fromEntries(checks.map(({ name, ok, detail }) => [name, { ok, detail }])) };
}

/** Expects a 503 with Retry-After that keeps the cookie. */
function expectUnavailable(response: AgentResponse, code: string): void {
  expect(response.status).toBe(503);
  expect(response.header('content-type')).toBe('application/problem+json');
  expect(response.json()).toMatchObject({ status: 503, code });
  expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(response.setCookies).toEqual([]);
}

/** Expects calls to be served again after a while, without a new sign-in. */
function expectRecovery(path = '/api/again'): Promise<void> {
  return vi.waitFor(async () => expect((await testGateway.agent.fetch(path)).status).toBe(200), PATIENCE);
}

/** The messages about the store and about failed requests, at info and above. */
function loudLines(): string[] {
  const lines = testGateway.gateway.logs().trimEnd().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { level: string; msg: string })
    .filter(({ level, msg }) => !['trace', 'debug'].includes(level) && /store|failed/.test(msg))
    .map(({ msg }) => msg);
}

describe('while Redis is down', () => {
  /** Without the cache, so that each request meets the outage. */
  const uncached = { session: { cache: { maxAge: '0s' } } };

  beforeEach(async () => {
    redis = await startRedis({ args: ['--appendonly', 'yes'] });
    testGateway = await openTestGatewayForTest({ store: redis.url, config: uncached });
  });

  afterEach(() => redis.close());

  it('calls get 503 with Retry-After, the cookie stays and the session works again after recovery (standards: E24)', async () => {
    await testGateway.agent.signIn();
    const seal = testGateway.agent.cookies.get('coatcheck')?.value;
    await redis.stop();
    for (const path of ['/api/one', '/optional/one', '/auth/session']) {
      expectUnavailable(await testGateway.agent.fetch(path), 'store_unavailable');
    }
    expect(testGateway.upstream.requests).toEqual([]);
    await redis.start();
    await expectRecovery();
    expect(testGateway.agent.cookies.get('coatcheck')?.value).toBe(seal);
    expect(testGateway.provider.tokenCalls()).toBe(1);
  });

  it('requests that need no session are served', async () => {
    testGateway.upstream.respond(
      (_request, response, record) => void response.end(record.bearer ?? 'anonymous'),
    );
    await testGateway.agent.signIn();
    await redis.stop();
    expect((await testGateway.agent.fetch('/public/one')).text()).toBe('anonymous');
    const visitor = testGateway.browser();
    expect((await visitor.fetch('/optional/one')).text()).toBe('anonymous');
    expect((await visitor.fetch('/api/one')).json()).toMatchObject({ code: 'session_required' });
    expect((await visitor.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect((await visitor.get('/auth/login')).status).toBe(302);
  });

  it('/readyz responds with what is known, without waiting for a Redis that hangs', async () => {
    await testGateway.agent.signIn();
    await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
    redis.pause();
    // No timer that the gateway sets fires: a response that waits for one, or for Redis, never comes.
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      for (let probe = 0; probe < 3; probe += 1) expect(await readiness()).toMatchObject({ status: 200 });
      expect(loudLines()).toEqual([]);
    } finally {
      vi.useRealTimers();
      redis.resume();
    }
  });

  it('/readyz notices an outage by itself when no request does', async () => {
    await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
    await redis.stop();
    await vi.waitFor(
      async () =>
        expect(await readiness()).toMatchObject({
          status: 200,
          store: { ok: true, detail: 'unreachable; it was reachable earlier' },
        }),
      PATIENCE,
    );
  });

  it('the gateway stays ready, logs the outage once and reports it in /metrics and /readyz', async () => {
    await testGateway.agent.signIn();
    await redis.stop();
    for (let call = 0; call < 3; call += 1) await testGateway.agent.fetch('/api/one');
    expect(await readiness()).toMatchObject({
      status: 200,
      store: { ok: true, detail: expect.stringContaining('unreachable') },
    });
    const { text } = await admin('/metrics');
    expect(text).toContain('coatcheck_store_up 0\n');
    expect(text).toMatch(/^coatcheck_store_errors_total\{op="load"\} 3$/m);
    expect(testGateway.gateway.logs().match(/session store unavailable/g)).toHaveLength(1);

    await redis.start();
    await expectRecovery();
    await vi.waitFor(
      async () => expect((await admin('/metrics')).text).toContain('coatcheck_store_up 1\n'),
      PATIENCE,
    );
    expect(testGateway.gateway.logs()).toContain('session store available again');
    expect(await readiness()).toMatchObject({ store: { ok: true, detail: 'reachable' } });
  });

  it('a Redis that serves reads and rejects writes is one outage in the log and in /metrics, not hundreds', async () => {
    await testGateway.agent.signIn();
    testGateway.advance(300_000);
    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    for (let round = 0; round < 20; round += 1) {
      const [read, ...writes] = await Promise.all([
        testGateway.agent.fetch('/auth/session'),
        ...Array.from({ length: 4 }, (_, at) => testGateway.agent.fetch(`/api/${at}`)),
      ]);
      expect(read.json()).toMatchObject({ authenticated: true });
      for (const write of writes) expectUnavailable(write, 'store_unavailable');
      expect((await admin('/metrics')).text).toContain('coatcheck_store_up 0\n');
    }
    expect(loudLines()).toEqual(['session store unavailable']);

    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    await expectRecovery();
    await vi.waitFor(
      () =>
        expect(loudLines().slice(0, 2)).toEqual([
          'session store unavailable',
          'session store available again',
        ]),
      PATIENCE,
    );
    expect((await admin('/metrics')).text).toContain('coatcheck_store_up 1\n');
    expect(testGateway.gateway.logs()).toMatch(
      /"durationMs":\d+,"failures":\d+,"msg":"session store available again"/,
    );
  });

  it('a logout gets 503 and the session is still valid after recovery', async () => {
    await testGateway.agent.signIn();
    await redis.stop();
    expectUnavailable(await testGateway.agent.fetch('/auth/logout', { method: 'POST' }), 'store_unavailable');
    expect(testGateway.provider.families).toMatchObject([{ alive: true }]);
    await redis.start();
    await expectRecovery();
    expect((await testGateway.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(401);
  });

  it('a callback gets 503 and the gateway revokes the tokens that it cannot store', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    const hold = testGateway.provider.faults.hold('token');
    const completing = testGateway.agent.get(callback.href);
    await hold.waiting();
    await redis.stop();
    hold.release();
    const response = await completing;
    expect(response.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
    expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(testGateway.agent.cookies.get('coatcheck')).toBeUndefined();
    await vi.waitFor(
      () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
      PATIENCE,
    );
    await redis.start();
    await vi.waitFor(() => testGateway.agent.signIn(), PATIENCE);
  });

  it('a callback that finds no store uses no code, and completes once the store is back', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    await redis.stop();
    const response = await testGateway.agent.get(callback.href);
    expectUnavailable(response, 'store_unavailable');
    expect(testGateway.provider.tokenCalls()).toBe(0);
    await redis.start();
    await vi.waitFor(
      async () => expect((await testGateway.agent.get(callback.href)).status).toBe(303),
      PATIENCE,
    );
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('a Redis that accepts connections but does not respond counts as an outage that ends by itself', async () => {
    await testGateway.agent.signIn();
    redis.pause();
    const [call, question, free] = await Promise.all([
      testGateway.agent.fetch('/api/one'),
      testGateway.agent.fetch('/auth/session'),
      testGateway.agent.fetch('/public/one'),
    ]);
    redis.resume();
    expectUnavailable(call, 'store_unavailable');
    expectUnavailable(question, 'store_unavailable');
    expect(free.status).toBe(401); // The response of the upstream to a call without a token.
    await expectRecovery();
  });

  it('a restart of Redis keeps the session', async () => {
    await testGateway.agent.signIn();
    for (let round = 0; round < 3; round += 1) {
      await redis.stop();
      await redis.start();
      await expectRecovery();
    }
    expect(testGateway.provider.tokenCalls()).toBe(1);
  });

  it('tokens that were just refreshed are used and stored after recovery (standards: G16)', async () => {
    await testGateway.agent.signIn();
    testGateway.advance(300_000);
    const gate = testGateway.provider.faults.hold('token', 'after');
    const call = testGateway.agent.fetch('/api/one');
    await gate.waiting();
    await redis.stop();
    gate.release();
    expect((await call).status).toBe(200);
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);

    await redis.start();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    await vi.waitFor(async () => {
      expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
      expect(await redis.dump()).not.toContain(':lock:');
    }, PATIENCE);
    testGateway.advance(300_000);
    expect((await elsewhere.fetch('/api/three')).status).toBe(200);
    expect(testGateway.provider.tokenLedger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
  });

  it('a gateway starts, reports why it is not ready and becomes ready after recovery', async () => {
    await redis.stop();
    testGateway = await openTestGatewayForTest({ store: redis.url });
    await vi.waitFor(
      async () =>
        expect(await readiness()).toMatchObject({
          status: 503,
          store: { ok: false, detail: expect.stringContaining('not reached') },
          provider: { ok: true },
        }),
      PATIENCE,
    );
    expect((await admin('/livez')).status).toBe(200);
    expect((await testGateway.agent.fetch('/public/one')).status).toBe(401);
    await redis.start();
    await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
    await testGateway.agent.signIn();
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });
});

describe('while discovery fails although something responds at the issuer', () => {
  it.each<[string, RegExp, (provider: Awaited<ReturnType<typeof startFakeProvider>>) => void]>([
    [
      'the metadata name another issuer',
      /issuer/,
      ({ metadata }) => (metadata['issuer'] = 'https://typo.example.test'),
    ],
    [
      'the metadata name no token endpoint',
      /token_endpoint/,
      ({ metadata }) => delete metadata['token_endpoint'],
    ],
    ['the metadata are 404', /404|status/, ({ faults }) => (faults.discovery = { status: 404 })],
    [
      'the metadata are a page in HTML',
      /content-type|JSON/i,
      ({ faults }) =>
        (faults.discovery = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' }),
    ],
  ])('the gateway is not ready and reports the reason: %s', async (_what, reason, spoil) => {
    const provider = await startFakeProvider();
    spoil(provider);
    testGateway = await openTestGatewayForTest({ provider });
    await vi.waitFor(() => expect(testGateway.gateway.logs()).toContain('provider not ready'), PATIENCE);
    expect(await readiness()).toMatchObject({
      status: 503,
      provider: {
        ok: false,
        detail: expect.stringMatching(new RegExp(`^not ready since the start: .*(${reason.source})`, 'i')),
      },
    });
    expect((await admin('/metrics')).text).toContain('coatcheck_provider_up 0\n');
    const login = await testGateway.agent.get('/auth/login');
    expect(login.json()).toMatchObject({
      status: 503,
      code: 'provider_unavailable',
      reason: expect.stringMatching(reason),
    });
    expect(login.header('retry-after')).toBe('5');
  });
});

describe('while the provider is down', () => {
  it('a gateway starts, reports why it is not ready and becomes ready after recovery', async () => {
    const provider = await startFakeProvider();
    await provider.stop();
    testGateway = await openTestGatewayForTest({ provider });
    const away = { ok: false, detail: expect.stringContaining('not ready since the start: ') };
    await vi.waitFor(() => expect(testGateway.gateway.logs()).toContain('provider not ready'), PATIENCE);
    expect(await readiness()).toMatchObject({ status: 503, store: { ok: true }, provider: away });
    expect((await admin('/livez')).status).toBe(200);
    expectUnavailable(await testGateway.agent.get('/auth/login'), 'provider_unavailable');
    expect((await testGateway.agent.fetch('/public/one')).status).toBe(401); // Served by an upstream that requires a token.

    await provider.start();
    await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
    expect(testGateway.gateway.logs()).toContain('provider ready');
    expect((await admin('/metrics')).text).toContain('coatcheck_provider_up 1\n');
    await testGateway.agent.signIn();
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('a provider whose discovery fails counts as down', async () => {
    const provider = await startFakeProvider();
    provider.faults.discovery = { status: 503 };
    testGateway = await openTestGatewayForTest({ provider });
    expectUnavailable(await testGateway.agent.get('/auth/login'), 'provider_unavailable');
    expect(await readiness()).toMatchObject({ status: 503 });
    provider.faults.clear();
    await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
  });

  describe('and users are signed in', () => {
    beforeEach(async () => {
      testGateway = await openTestGatewayForTest();
      await testGateway.agent.signIn();
      await testGateway.provider.stop();
    });

    it('sessions with a valid token are served and the gateway stays ready', async () => {
      expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
      // Close to expiry the token is refreshed in the background: that fails, and no request notices.
      testGateway.advance(270_000);
      expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
      await vi.waitFor(
        async () => expect((await admin('/metrics')).text).toContain('coatcheck_provider_up 0\n'),
        PATIENCE,
      );
      expect((await testGateway.agent.fetch('/api/three')).status).toBe(200);
      expect(await readiness()).toMatchObject({
        status: 200,
        provider: { ok: true, detail: expect.stringContaining('unreachable') },
      });
    });

    it('sessions with an expired token get 503 with Retry-After and continue after recovery', async () => {
      testGateway.advance(300_000);
      const responses = await Promise.all(
        Array.from({ length: 10 }, (_, at) => testGateway.agent.fetch(`/api/${at}`)),
      );
      for (const response of responses) expectUnavailable(response, 'provider_unavailable');
      expect(testGateway.upstream.requests).toEqual([]);
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });

      await testGateway.provider.start();
      await expectRecovery();
      expect(testGateway.provider.tokenLedger()).toMatchObject([
        { spent: 1, reuses: 0 },
        { familyAlive: true },
      ]);
    });

    it('the log has a line when the outage begins, not one for each request', async () => {
      testGateway.advance(300_000);
      for (let call = 0; call < 40; call += 1)
        expectUnavailable(await testGateway.agent.fetch(`/api/${call}`), 'provider_unavailable');
      const lines = testGateway.gateway.logs().match(/"level":"(?:warn|error)".*/g) ?? [];
      expect(lines.filter((line) => line.includes('identity provider unavailable'))).toHaveLength(1);
      expect(lines.length).toBeLessThan(8);
    });

    it('a logout succeeds and returns the logout URL of the provider', async () => {
      const response = await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
      expect(response.status).toBe(200);
      expect(response.json()).toMatchObject({
        logoutUrl: expect.stringContaining(testGateway.provider.issuer),
      });
      expect((await testGateway.agent.fetch('/api/one')).status).toBe(401);
      await testGateway.provider.start();
      await vi.waitFor(
        () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
        PATIENCE,
      );
    });

    it('a callback gets 503 and a new login succeeds after recovery', async () => {
      await testGateway.provider.start();
      const visitor = testGateway.browser();
      const callback = await authorize(visitor, await beginLogin(visitor));
      await testGateway.provider.stop();
      const response = await visitor.get(callback.href);
      expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
      expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
      await testGateway.provider.start();
      await visitor.signIn();
    });
  });
});

describe('while an upstream fails', () => {
  beforeEach(async () => {
    testGateway = await openTestGatewayForTest();
    await testGateway.agent.signIn();
  });

  it('calls get 502 without its address while it is down, the session is kept and calls succeed after recovery', async () => {
    await testGateway.upstream.stop();
    for (const path of ['/api/one', '/public/one']) {
      const response = await testGateway.agent.fetch(path);
      expect(response.status).toBe(502);
      expect(response.json()).toMatchObject({ code: 'upstream_unreachable' });
      expect(response.setCookies).toEqual([]);
      expect(response.text()).not.toContain(`${testGateway.upstream.port}`);
    }
    expect(await readiness()).toMatchObject({ status: 200 });
    await testGateway.upstream.start();
    await expectRecovery();
  });

  it('calls get 502 and are not repeated when it closes the connection without a response', async () => {
    testGateway.upstream.respond(hangUp);
    const response = await testGateway.agent.fetch('/api/one', { method: 'POST', body: 'x' });
    expect(response.json()).toMatchObject({ status: 502, code: 'upstream_unreachable' });
    // A request that may have been processed is not repeated.
    expect(testGateway.upstream.requests).toHaveLength(1);
  });

  it('calls get 504 after the timeout of the route and are cancelled at the upstream', async () => {
    testGateway = await openTestGatewayForTest({ routes: [{ path: '/api', timeout: { headers: '300ms' } }] });
    await testGateway.agent.signIn();
    testGateway.upstream.respond(slowHeaders(10_000));
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.json()).toMatchObject({ status: 504, code: 'upstream_timeout' });
    const [received] = testGateway.upstream.requests;
    await received?.over;
    expect(received?.aborted).toBe(true);
  });
});

describe('the admin listener', () => {
  beforeEach(async () => {
    testGateway = await openTestGatewayForTest();
    await vi.waitUntil(async () => (await readiness()).status === 200, PATIENCE);
  });

  it('reports on /livez that the process is alive', async () => {
    expect(await admin('/livez')).toEqual({ status: 200, text: '{"status":"ok"}\n' });
  });

  it('reports on /readyz that the gateway is ready with each check', async () => {
    const { status, text } = await admin('/readyz');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      status: 'ready',
      checks: [
        { name: 'store', ok: true, detail: 'reachable' },
        { name: 'provider', ok: true, detail: 'reachable' },
      ],
    });
  });

  it('reports on /readyz that the gateway is draining while it still serves requests', async () => {
    await testGateway.agent.signIn();
    testGateway.gateway.gateway.drain();
    const { status, text } = await admin('/readyz');
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({
      status: 'not ready',
      checks: [{ ok: true }, { ok: true }, { name: 'draining', ok: false }],
    });
    expect((await admin('/livez')).status).toBe(200);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('exposes every documented metric before the first request', async () => {
    const response = await fetch(`${testGateway.gateway.adminUrl}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const types = [...(await response.text()).matchAll(/^# TYPE coatcheck_(\w+) (\w+)$/gm)];
    const kinds = Object.fromEntries(types.map(([, name, kind]) => [name, kind]));
    expect(kinds).toMatchObject({
      http_requests_total: 'counter',
      http_request_duration_seconds: 'histogram',
      refresh_total: 'counter',
      refresh_duration_seconds: 'histogram',
      refresh_lock_wait_seconds: 'histogram',
      upstream_401_total: 'counter',
      sessions_started_total: 'counter',
      sessions_ended_total: 'counter',
      store_errors_total: 'counter',
      provider_up: 'gauge',
      store_up: 'gauge',
    });
  });

  it('counts requests, refreshes and sessions with the documented labels', async () => {
    await testGateway.agent.signIn();
    await testGateway.agent.fetch('/api/one');
    const [token = ''] = testGateway.upstream.requests.map(({ bearer }) => bearer);
    testGateway.provider.revokeAccessToken(token);
    await testGateway.agent.fetch('/api/two');
    await testGateway.agent.fetch('/api/three', { method: 'POST', body: 'x' });
    await testGateway.agent.fetch('/nothing');
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    await testGateway.agent.fetch('/api/four');
    await vi.waitFor(async () => {
      const { text } = await admin('/metrics');
      for (const line of [
        'http_requests_total{route="/api",method="GET",status="200"} 2',
        'http_requests_total{route="/api",method="POST",status="200"} 1',
        'http_requests_total{route="/api",method="GET",status="401"} 1',
        'http_requests_total{route="auth",method="GET",status="302"} 1',
        'http_requests_total{route="auth",method="GET",status="303"} 1',
        'http_requests_total{route="auth",method="POST",status="200"} 1',
        'http_request_duration_seconds_count{route="/api"} 4',
        'refresh_total{outcome="refreshed"} 1',
        'refresh_duration_seconds_count 1',
        'refresh_lock_wait_seconds_count 1',
        'upstream_401_total{action="replayed"} 1',
        'sessions_started_total 1',
        'sessions_ended_total{reason="logout"} 1',
        'provider_up 1',
        'store_up 1',
      ]) {
        expect(text.split('\n')).toContain(`coatcheck_${line}`);
      }
      for (const secret of testGateway.provider.secrets()) expect(text).not.toContain(secret);
    }, PATIENCE);
  });

  it.each(['/livez', '/readyz', '/metrics'])(
    'responds to HEAD on %s without a body and to POST with 405',
    async (path) => {
      const head = await fetch(testGateway.gateway.adminUrl + path, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect(head.headers.get('cache-control')).toBe('no-store');
      const post = await fetch(testGateway.gateway.adminUrl + path, { method: 'POST' });
      expect(post.status).toBe(405);
      expect(post.headers.get('allow')).toBe('GET, HEAD');
    },
  );

  it.each([
    '/sessions',
    '/sessions/revoke-all',
    '/api/one',
    '/auth/login',
    '/livez/',
    '/metrics/x',
    '/__proto__',
  ])('responds 404 at %s when no admin token is configured', async (path) => {
    expect((await admin(path)).status).toBe(404);
  });

  it.each(['/livez', '/readyz', '/metrics', '/sessions'])(
    'is the only listener that serves %s (standards: F32)',
    async (path) => {
      const response = await testGateway.agent.get(path);
      expect(response.json()).toMatchObject({ status: 404, code: 'not_found' });
    },
  );
});
