import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';

const PATIENCE = { timeout: 30_000, interval: 50 };

let testGateway: TestGateway;

async function open(options: TestGatewayOptions = {}): Promise<void> {
  testGateway = await openTestGatewayForTest(options);
}

/** The value of one series, as the exposition writes it. */
async function valueOf(series: string): Promise<number | undefined> {
  const text = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** The series of one metric. */
async function seriesOf(name: string): Promise<string[]> {
  const text = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
}

describe('the metrics of sign-ins', () => {
  beforeEach(() => open());

  it('count successes, and failures by their reason', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    expect(await valueOf('coatcheck_sign_ins_total{outcome="success",reason="sign_in"}')).toBe(1);

    provider.faults.token = { status: 503, times: 1 };
    await agent.signIn().catch(() => undefined);
    await testGateway.browser().get('/auth/callback?code=made-up&state=made-up');
    const failures = await seriesOf('coatcheck_sign_ins_total{outcome="failure"');
    expect(failures.toSorted()).toEqual([
      'coatcheck_sign_ins_total{outcome="failure",reason="provider_unavailable"}',
      'coatcheck_sign_ins_total{outcome="failure",reason="state_expired"}',
    ]);
  });

  it('have no text of the request among their reasons', async () => {
    const before = await seriesOf('coatcheck_');
    for (let n = 0; n < 5; n += 1)
      await testGateway.agent.navigate(`/auth/callback?error=canary-${n}&state=canary-${n}&iss=canary-${n}`);
    await testGateway.agent.request(`/canary-path`, { method: 'CANARY' });
    const after = (await seriesOf('coatcheck_')).filter((series) => !before.includes(series));
    expect(after.join('\n')).not.toMatch(/canary-(?:path|\d)/);
  });
});

describe('the metrics of requests', () => {
  it('separate the time of the API from the total', async () => {
    await open();
    testGateway.upstream.respond(echo);
    await testGateway.agent.fetch('/public/x');
    expect(await valueOf('coatcheck_upstream_response_seconds_count{route="/public"}')).toBe(1);
    const upstream = (await valueOf('coatcheck_upstream_response_seconds_sum{route="/public"}')) ?? 0;
    expect(upstream).toBeGreaterThan(0);
  });

  it('show the requests in flight and the open WebSockets', async () => {
    await open();
    const { agent, upstream } = testGateway;
    await agent.signIn();
    const stream = controlledStream();
    upstream.respond(stream.behaviour);
    const response = await agent.open('/public/events');
    expect(await valueOf('coatcheck_requests_in_flight')).toBe(1);
    await stream.end();
    response.body.resume();
    await expect.poll(() => valueOf('coatcheck_requests_in_flight'), PATIENCE).toBe(0);

    const socket = await agent.websocket('/socket/live');
    expect(await valueOf('coatcheck_websockets_open')).toBe(1);
    socket.close();
    await expect.poll(() => valueOf('coatcheck_websockets_open'), PATIENCE).toBe(0);
  });

  it('count what CSRF protection and the limits reject', async () => {
    await open({ config: { rateLimit: { login: 1 } } });
    const { agent } = testGateway;
    await agent.signIn();
    await agent.post('/api/x', { headers: { 'sec-fetch-site': 'cross-site' } });
    await agent.post('/api/x', { headers: { origin: 'https://evil.example' } });
    await agent.get('/auth/login');
    expect(await valueOf('coatcheck_csrf_refusals_total{code="csrf_rejected"}')).toBe(1);
    expect(await valueOf('coatcheck_csrf_refusals_total{code="origin_rejected"}')).toBe(1);
    expect(await valueOf('coatcheck_rate_limited_total{limit="login"}')).toBe(1);
  });

  it('show that the breaker of the token endpoint is open, and that it closes', async () => {
    await open({ config: { refresh: { retries: 0 } } });
    const { agent, provider } = testGateway;
    await agent.signIn();
    const series = 'coatcheck_breaker_open{breaker="token_endpoint",route=""}';
    expect(await valueOf(series)).toBe(0);
    expect(await valueOf('coatcheck_breaker_open{breaker="upstream_401",route="/api"}')).toBe(0);
    testGateway.stopClock();
    testGateway.advance(provider.accessTokenLifetime * 1000);
    provider.faults.token = { status: 500 };
    for (let n = 0; n < 4; n += 1) await agent.fetch('/api/x');
    expect(await valueOf(series)).toBe(1);
    provider.faults.clear();
    testGateway.advance(60_000);
    expect((await agent.fetch('/api/x')).status).toBe(200);
    expect(await valueOf(series)).toBe(0);
  });
});

describe('the metrics of the store', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.close());

  it('time each kind of operation', async () => {
    await open({ store: redis.url });
    await testGateway.agent.signIn();
    expect(await valueOf('coatcheck_store_operation_seconds_count{op="create"}')).toBeGreaterThan(0);
  });

  it.each([
    ['in memory', () => 'memory:'],
    ['in Redis', () => redis.url],
  ])('count the active sessions once, and the keys %s', async (_where, store) => {
    await redis.command('FLUSHALL');
    await open({ store: store() });
    const [one, two] = [testGateway.agent, testGateway.browser()];
    await one.signIn();
    await two.signIn();
    for (let n = 0; n < 5; n += 1) await one.fetch('/api/x');
    expect(await valueOf('coatcheck_sessions_active')).toBe(2);
    // A record for each session, and at least one index entry.
    await expect.poll(() => valueOf('coatcheck_store_keys'), PATIENCE).toBeGreaterThanOrEqual(3);
  });

  it('count no scan and no other sweep of Redis', async () => {
    await redis.command('CONFIG', 'RESETSTAT');
    await open({ store: redis.url });
    await testGateway.agent.signIn();
    await expect.poll(() => valueOf('coatcheck_store_keys'), PATIENCE).toBeGreaterThan(0);
    const stats = String(await redis.command('INFO', 'commandstats'));
    // The check of the rights at the start looks at one key.
    expect(Number(/cmdstat_scan:calls=(\d+)/.exec(stats)?.[1] ?? 0)).toBeLessThanOrEqual(1);
    expect(stats).not.toMatch(/cmdstat_(?:keys|dbsize|randomkey)/);
  });

  it('give no number of keys, and report no outage, without the right to INFO', async () => {
    await redis.command('FLUSHALL');
    await redis.command('ACL', 'SETUSER', 'coatcheck', '-info');
    await open({ store: redis.url });
    const operations = 'coatcheck_store_operation_seconds_count{op="count"}';
    await expect.poll(() => valueOf(operations), PATIENCE).toBe(1);
    expect(await valueOf('coatcheck_store_keys')).toBeUndefined();
    expect(await valueOf('coatcheck_store_up')).toBe(1);
    await redis.command('ACL', 'SETUSER', 'coatcheck', '+info');
  });
});

describe('the exposition', () => {
  beforeEach(() => open());

  it('has the metrics of the process under their usual names', async () => {
    expect(await valueOf('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(await valueOf('nodejs_heap_size_used_bytes')).toBeGreaterThan(0);
  });

  it('is OpenMetrics for a scraper that accepts it, with the same series', async () => {
    const read = async (accept: string) => {
      const response = await fetch(`${testGateway.gateway.adminUrl}/metrics`, { headers: { accept } });
      return { type: response.headers.get('content-type'), text: await response.text() };
    };
    await testGateway.agent.signIn();
    await expect.poll(() => valueOf('coatcheck_store_keys'), PATIENCE).toBeGreaterThan(0);
    const prometheus = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
    const [open, plain] = [await read(prometheus), await read('text/plain')];
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(plain.type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(open.text.endsWith('\n# EOF\n')).toBe(true);
    expect(open.text).toContain('\n# TYPE coatcheck_sessions_started counter\n');
    expect(open.text).toContain('\ncoatcheck_sessions_started_total 1\n');
    const series = ({ text }: { text: string }) =>
      text
        .split('\n')
        .flatMap((line) => (/^[a-z]/.test(line) ? [(line.split(' # ')[0] ?? '').replace(/ \S+$/, '')] : []));
    // The process itself changes between the two scrapes: its resources, and its garbage collections.
    const own = (lines: readonly string[]) =>
      lines.filter((line) => !/^nodejs_(?:active|gc)/.test(line)).toSorted();
    expect(own(series(open))).toEqual(own(series(plain)));
  });
});

describe('coatcheck_provider_up after a reload with another provider', () => {
  const PROVIDER_UP = 'coatcheck_provider_up';
  let other: FakeProvider;

  /** Calls the API with an expired token, and reloads while the refresh waits for the provider. Gives what ends the wait. */
  async function reloadDuringRefresh(moment: 'before' | 'after'): Promise<() => Promise<unknown>> {
    await open({ config: { refresh: { retries: 0 } } });
    const { agent, gateway, provider } = testGateway;
    other = await startFakeProvider();
    onTestFinished(() => other.close());
    await agent.signIn();
    const held = provider.faults.hold('token', moment);
    testGateway.advance(300_000);
    const calling = agent.fetch('/api/one');
    await held.waiting();
    await gateway.reload({ provider: other.register(gateway.url) });
    expect(await valueOf(PROVIDER_UP)).toBe(1);
    return () => {
      held.release();
      return calling;
    };
  }

  it('stays 1 when a call to the former provider fails', async () => {
    const end = await reloadDuringRefresh('before');
    testGateway.provider.faults.dropBefore('token');
    await end();
    expect(await valueOf(PROVIDER_UP)).toBe(1);
    expect(testGateway.gateway.logs()).not.toContain('identity provider unavailable');
  });

  it('stays 0 when the former provider responds and the current one is down', async () => {
    const end = await reloadDuringRefresh('after');
    other.faults.token = { status: 503 };
    await expect(testGateway.browser().signIn()).rejects.toThrow('sign-in failed');
    expect(await valueOf(PROVIDER_UP)).toBe(0);
    await end();
    expect(await valueOf(PROVIDER_UP)).toBe(0);
  });
});
