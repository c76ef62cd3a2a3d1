import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 50 };

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.command('FLUSHALL'));

/** Opens the test gateway of a test, whose time stands still unless the test moves it. */
async function open(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const testGateway = await openTestGatewayForTest(options);
  testGateway.stopClock();
  return testGateway;
}

/** Asks several times, one after the other, and gives the statuses. */
async function statuses(times: number, ask: () => Promise<AgentResponse>): Promise<number[]> {
  const seen: number[] = [];
  for (let time = 0; time < times; time += 1) seen.push((await ask()).status);
  return seen;
}

const login = (agent: UserAgent, from?: string) =>
  agent.get('/auth/login', from === undefined ? {} : { headers: { 'x-forwarded-for': from } });

const trusting = { trustProxy: ['127.0.0.1'] };

describe.each([
  ['in memory', () => 'memory:'],
  ['in Redis', () => redis.url],
])('a rate limit per address counted %s', (_where, store) => {
  it('responds 429 with Retry-After beyond the limit and accepts requests after that time (standards: A23, F22)', async () => {
    const testGateway = await open({ store: store(), config: { rateLimit: { login: 3 } } });
    expect(await statuses(3, () => login(testGateway.agent))).toEqual([302, 302, 302]);
    const refused = await login(testGateway.agent);
    expect(refused.status).toBe(429);
    expect(refused.header('content-type')).toBe('application/problem+json');
    expect(refused.header('cache-control')).toBe('no-store');
    expect(refused.header('retry-after')).toBe('20');
    expect(refused.setCookies).toEqual([]);
    expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited', detail: expect.any(String) });

    await runOut(store());
    testGateway.advance(20_000);
    expect((await login(testGateway.agent)).status).toBe(302);
  });

  it('counts each client address separately, IPv6 by its /64 network, and ignores untrusted headers (standards: F8)', async () => {
    const testGateway = await open({ store: store(), config: { rateLimit: { login: 2 }, ...trusting } });
    expect(await statuses(3, () => login(testGateway.agent, '203.0.113.1'))).toEqual([302, 302, 429]);
    expect((await login(testGateway.agent, '203.0.113.2')).status).toBe(302);
    expect((await login(testGateway.agent, '2001:db8:1:2::1')).status).toBe(302);
    expect((await login(testGateway.agent, '2001:db8:1:2:ffff::9')).status).toBe(302);
    expect((await login(testGateway.agent, '2001:db8:1:2::3')).status).toBe(429);
    expect((await login(testGateway.agent, '2001:db8:1:3::3')).status).toBe(302);

    const plain = await open({ store: store(), config: { rateLimit: { login: 2 } } });
    const spoofed = ['203.0.113.5', '203.0.113.6', '203.0.113.7'];
    const seen = await statuses(3, () => login(plain.agent, spoofed.pop()));
    expect(seen).toEqual([302, 302, 429]);
  });

  it('applies to callbacks without affecting other endpoints', async () => {
    const testGateway = await open({ store: store(), config: { rateLimit: { callback: 2 } } });
    const callback = () => testGateway.agent.get('/auth/callback?state=x&code=y');
    expect(await statuses(3, callback)).toEqual([400, 400, 429]);
    expect((await login(testGateway.agent)).status).toBe(302);
    expect((await testGateway.agent.fetch('/auth/session')).status).toBe(200);
    expect((await testGateway.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  });

  it('is off when it is 0', async () => {
    const testGateway = await open({ store: store(), config: { rateLimit: { login: 0 } } });
    expect(new Set(await statuses(50, () => login(testGateway.agent)))).toEqual(new Set([302]));
  });

  it('by default rejects a flood but accepts 1,200 sign-ins from one address', async () => {
    const testGateway = await open({ store: store() });
    const seen = await Promise.all(Array.from({ length: 1_300 }, () => login(testGateway.agent)));
    const refused = seen.filter(({ status }) => status === 429).length;
    expect(refused).toBeGreaterThan(0);
    expect(seen.filter(({ status }) => status === 302)).toHaveLength(1_300 - refused);
    expect(1_300 - refused).toBeGreaterThanOrEqual(1_200);
  });
});

/** Deletes the buckets in Redis as if they had drained, because tests cannot move its clock. */
async function runOut(store: string): Promise<void> {
  if (store === 'memory:') return;
  for (const key of await keys()) await redis.command('DEL', key);
}

const keys = async () => (await redis.command('KEYS', 'coatcheck:rate:*')) as string[];

describe('a rate limit in Redis', () => {
  it('is shared by all replicas', async () => {
    const testGateway = await open({ store: redis.url, config: { rateLimit: { login: 4 } } });
    const there = testGateway.browser({ at: await testGateway.replica() });
    expect(await statuses(2, () => login(testGateway.agent))).toEqual([302, 302]);
    expect(await statuses(3, () => login(there))).toEqual([302, 302, 429]);
    const refused = await login(testGateway.agent);
    expect(refused.status).toBe(429);
    expect(Number(refused.header('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.header('retry-after'))).toBeLessThanOrEqual(15);
  });

  it('grants no more than the limit when all replicas are called at once', async () => {
    const testGateway = await open({ store: redis.url, config: { rateLimit: { login: 20 } } });
    const agents = [testGateway.agent, testGateway.browser({ at: await testGateway.replica() })];
    const seen = await Promise.all(
      Array.from({ length: 30 }, () => agents.map((agent) => login(agent))).flat(),
    );
    const granted = seen.filter(({ status }) => status === 302).length;
    // One or two uses may drain during this time.
    expect(granted).toBeGreaterThanOrEqual(20);
    expect(granted).toBeLessThan(40);
  });

  it('uses one expiring key per client that does not reveal the address', async () => {
    const testGateway = await open({ store: redis.url, config: { rateLimit: { login: 2 }, ...trusting } });
    await statuses(5, () => login(testGateway.agent, '203.0.113.77'));
    const [key, ...others] = await keys();
    expect(others).toEqual([]);
    expect(key).toMatch(/^coatcheck:rate:login:[\w-]{43}$/);
    const ttl = Number(await redis.command('PTTL', key ?? ''));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(60_000);
    expect(await redis.dump()).not.toContain('203.0.113.77');
  });

  it('continues in each process while Redis is down and locks nobody out', async () => {
    const own = await startRedis();
    onTestFinished(() => own.close());
    const testGateway = await open({ store: own.url, config: { rateLimit: { login: 3 } } });
    await statuses(1, () => login(testGateway.agent));
    own.pause();
    expect(await statuses(3, () => login(testGateway.agent))).toEqual([302, 302, 429]);
    testGateway.advance(20_000);
    expect(await statuses(2, () => login(testGateway.agent))).toEqual([302, 429]);
    own.resume();
    testGateway.advance(60_000);
    await vi.waitFor(async () => expect((await login(testGateway.agent)).status).toBe(302), PATIENCE);
  });
});

/** How full the one bucket of a route is in Redis, in milliseconds. */
async function routeLevel(): Promise<number> {
  const [key = ''] = (await redis.command('KEYS', 'coatcheck:rate:route:*')) as string[];
  return Number(await redis.command('PTTL', key));
}

describe('a route with a limit', () => {
  const routes = [
    { path: '/api', maxPerMinute: 3 },
    { path: '/open', auth: 'none', maxPerMinute: 2 },
    { path: '/either', auth: 'optional', maxPerMinute: 2 },
    { path: '/free' },
    { path: '/socket', websocket: true, maxPerMinute: 1 },
  ];

  it('responds 429 to a session beyond the limit without calling the API and serves other sessions (standards: A23)', async () => {
    const testGateway = await open({ routes });
    await testGateway.agent.signIn();
    const other = testGateway.browser();
    await other.signIn('/', { loginHint: 'bob' });
    expect(await statuses(3, () => testGateway.agent.fetch('/api/x'))).toEqual([200, 200, 200]);
    const before = testGateway.upstream.requests.length;
    const refused = await testGateway.agent.fetch('/api/x', { method: 'POST', body: 'x'.repeat(1_000) });
    expect(refused.status).toBe(429);
    expect(refused.header('retry-after')).toBe('20');
    expect(refused.json()).toMatchObject({ code: 'rate_limited' });
    expect(testGateway.upstream.requests).toHaveLength(before);
    expect((await other.fetch('/api/x')).status).toBe(200);
    expect((await testGateway.agent.fetch('/free/x')).status).toBe(200);
    testGateway.advance(20_000);
    expect(await statuses(2, () => testGateway.agent.fetch('/api/x'))).toEqual([200, 429]);
  });

  it('refreshes no token for a request that it rejects', async () => {
    const testGateway = await open({ routes });
    await testGateway.agent.signIn();
    await statuses(3, () => testGateway.agent.fetch('/api/x'));
    testGateway.provider.revokeAccessToken(testGateway.provider.families[0]?.accessTokens[0]?.token ?? '');
    expect((await testGateway.agent.fetch('/api/x')).status).toBe(429);
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(0);
  });

  it('counts requests without a session by client address', async () => {
    const testGateway = await open({ routes });
    testGateway.upstream.respond(echo);
    expect(await statuses(3, () => testGateway.browser().fetch('/open/x'))).toEqual([200, 200, 429]);
    expect(await statuses(3, () => testGateway.browser().fetch('/either/x'))).toEqual([200, 200, 429]);
    expect(await statuses(4, () => testGateway.browser().fetch('/api/x'))).toEqual([401, 401, 401, 429]);
    await testGateway.agent.signIn();
    expect((await testGateway.agent.fetch('/either/x')).status).toBe(200);
  });

  it('limits concurrent requests per session and accepts new ones as others complete (standards: F22)', async () => {
    const testGateway = await open({
      routes: [
        { path: '/api', maxConcurrent: 2 },
        { path: '/open', auth: 'none', maxConcurrent: 1 },
      ],
    });
    await testGateway.agent.signIn();
    const other = testGateway.browser();
    await other.signIn('/', { loginHint: 'bob' });
    const gate = Promise.withResolvers<void>();
    testGateway.upstream.respond(async (_request, response) => {
      await gate.promise;
      response.end('done');
    });
    const waiting = [
      testGateway.agent.fetch('/api/1'),
      testGateway.agent.fetch('/api/2'),
      other.fetch('/api/3'),
    ];
    waiting.push(testGateway.browser().fetch('/open/1'));
    await expect.poll(() => testGateway.upstream.requests.length).toBe(4);
    const refused = await testGateway.agent.fetch('/api/4');
    expect(refused.status).toBe(429);
    expect(refused.header('retry-after')).toBe('1');
    expect(refused.json()).toMatchObject({ code: 'rate_limited' });
    expect((await testGateway.browser().fetch('/open/2')).status).toBe(429);
    expect(testGateway.upstream.requests).toHaveLength(4);
    gate.resolve();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await testGateway.agent.fetch('/api/5')).status).toBe(200);
  });

  it('limits concurrent requests per session to 256 by default (standards: F22)', async () => {
    const testGateway = await open({ routes: [{ path: '/api' }] });
    await testGateway.agent.signIn();
    const gate = Promise.withResolvers<void>();
    testGateway.upstream.respond(async (_request, response) => {
      await gate.promise;
      response.end('done');
    });
    const waiting = Array.from({ length: 256 }, (_, at) => testGateway.agent.fetch(`/api/${at}`));
    await expect.poll(() => testGateway.upstream.requests.length).toBe(256);
    expect((await testGateway.agent.fetch('/api/more')).status).toBe(429);
    gate.resolve();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('limits open WebSockets per session and accepts new ones as others close (standards: F22)', async () => {
    const testGateway = await open({ routes: [{ path: '/socket', websocket: true, maxConcurrent: 2 }] });
    await testGateway.agent.signIn();
    const sockets = [
      await testGateway.agent.websocket('/socket'),
      await testGateway.agent.websocket('/socket'),
    ];
    await expect(testGateway.agent.websocket('/socket')).rejects.toMatchObject({ status: 429 });
    expect((await testGateway.agent.fetch('/socket')).status).toBe(429);
    expect(testGateway.upstream.upgrades).toHaveLength(2);
    testGateway.upstream.rejectUpgrades(403);
    sockets[0]?.close();
    await vi.waitFor(() =>
      expect(testGateway.agent.websocket('/socket')).rejects.toMatchObject({ status: 403 }),
    );
    testGateway.upstream.rejectUpgrades(undefined);
    await vi.waitFor(() => testGateway.agent.websocket('/socket'), { timeout: 20_000 });
  });

  it('counts a WebSocket once when it opens', async () => {
    const testGateway = await open({ routes });
    await testGateway.agent.signIn();
    const socket = await testGateway.agent.websocket('/socket');
    for (let message = 0; message < 5; message += 1) {
      socket.send(`${message}`);
      expect(await socket.next()).toBe(`${message}`);
    }
    await expect(testGateway.agent.websocket('/socket')).rejects.toMatchObject({ status: 429 });
  });

  it('shares its limit across replicas with a delay', async () => {
    const testGateway = await open({ store: redis.url, routes });
    await testGateway.agent.signIn();
    const there = testGateway.browser({ like: testGateway.agent, at: await testGateway.replica() });
    expect(await statuses(3, () => testGateway.agent.fetch('/api/x'))).toEqual([200, 200, 200]);
    await vi.waitFor(async () => expect(await routeLevel()).toBeGreaterThan(40_000), PATIENCE);
    expect((await there.fetch('/api/x')).status).toBe(200);
    await vi.waitFor(async () => expect((await there.fetch('/api/x')).status).toBe(429), PATIENCE);
    // The excess use is compensated.
    expect(await routeLevel()).toBeGreaterThan(60_000);
  });

  it('sends no command to Redis when there is no limit', async () => {
    const testGateway = await open({ store: redis.url, routes: [{ path: '/api' }] });
    await testGateway.agent.signIn();
    await redis.command('CONFIG', 'RESETSTAT');
    await statuses(20, () => testGateway.agent.fetch('/api/x'));
    expect(await redis.command('INFO', 'commandstats')).not.toContain('cmdstat_eval');
  });
});
