import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RunningGateway } from '../../../testkit/gateway/gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;
/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
let testGateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

/** Opens a test gateway for a test, with a signed-in user. */
async function open(options: TestGatewayOptions = {}): Promise<void> {
  testGateway = await openTestGatewayForTest({ store: redis.url, ...options });
  await testGateway.agent.signIn();
}

/** The figures of the contract that are not 0, by name and label value, such as `refresh_total refreshed`. */
async function figures({ adminUrl }: RunningGateway = testGateway.gateway): Promise<Record<string, number>> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const lines = text.matchAll(
    /^coatcheck_((?:refresh|upstream_401|sessions|store|provider)_\w+)(?:\{\w+="(\w+)"\})? (\S+)$/gm,
  );
  const all = Array.from(lines, ([, name, label, value]) => {
    const key = label === undefined ? `${name}` : `${name} ${label}`;
    return [key, Number(value)] as const;
  });
  return Object.fromEntries(all.filter(([, value]) => value !== 0));
}

/** The counts of the refresh outcomes so far. */
async function outcomes(gateway?: RunningGateway): Promise<Record<string, number>> {
  const counted = Object.entries(await figures(gateway));
  return Object.fromEntries(
    counted.flatMap(([key, value]) => {
      const [name, outcome] = key.split(' ');
      return name === 'refresh_total' && outcome !== undefined ? [[outcome, value]] : [];
    }),
  );
}

const call = async (path = '/api/one') => (await testGateway.agent.fetch(path)).status;
const calls = (count: number) => Promise.all(Array.from({ length: count }, (_, at) => call(`/api/${at}`)));
const revokeToken = () =>
  testGateway.provider.revokeAccessToken(testGateway.upstream.requests.at(-1)?.bearer ?? '');

describe('the metrics count as a refresh outcome', () => {
  it('a successful refresh and the requests that joined it', async () => {
    await open();
    testGateway.advance(LIFE);
    expect(await calls(10)).toEqual(Array(10).fill(200));
    expect(await outcomes()).toEqual({ refreshed: 1, joined: 9 });
    expect(await figures()).toMatchObject({
      refresh_duration_seconds_count: 1,
      refresh_lock_wait_seconds_count: 1,
    });
  });

  it('a refresh by another process and the time spent waiting for its lock', async () => {
    await open();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token');
    const here = call();
    await gate.waiting();
    const there = [elsewhere.fetch('/api/two'), elsewhere.fetch('/api/three')];
    await vi.waitFor(async () => expect(await outcomes(replica)).toEqual({ joined: 1 }), PATIENCE);
    const heldMs = 300;
    await sleep(heldMs);
    gate.release();
    await Promise.all([here, ...there]);
    expect(await outcomes()).toEqual({ refreshed: 1 });
    expect(await outcomes(replica)).toEqual({ joined: 1, reused: 1 });
    const counted = await figures(replica);
    expect(counted['refresh_lock_wait_seconds_sum']).toBeGreaterThan(heldMs / 1000 / 2);
    expect(counted).not.toHaveProperty('refresh_duration_seconds_count');
  });

  it('a refresh that fails at the provider and the next one that succeeds', async () => {
    await open({ config: { refresh: { retries: 0 } } });
    expect(await figures()).toMatchObject({ provider_up: 1 });
    testGateway.advance(LIFE);
    testGateway.provider.faults.token = { status: 503, times: 1 };
    expect(await call()).toBe(503);
    expect(await outcomes()).toEqual({ kept: 1 });
    expect(await figures()).not.toHaveProperty('provider_up');
    expect(await call()).toBe(200);
    expect(await outcomes()).toEqual({ kept: 1, refreshed: 1 });
    expect(await figures()).toMatchObject({ provider_up: 1, refresh_duration_seconds_count: 2 });
  });

  it('a refresh that exceeds refresh.maxPerMinute', async () => {
    await open({ config: { refresh: { maxPerMinute: 1 } } });
    await call();
    revokeToken();
    expect(await call()).toBe(200);
    revokeToken();
    expect(await call()).toBe(401);
    expect(await outcomes()).toEqual({ refreshed: 1, kept: 1 });
  });

  it('a refresh that the provider rejects', async () => {
    await open();
    testGateway.provider.invalidateSession({ user: 'alice' });
    testGateway.advance(LIFE);
    expect(await call()).toBe(401);
    expect(await outcomes()).toEqual({ rejected: 1 });
    expect(await figures()).toMatchObject({ 'sessions_ended_total refresh_rejected': 1, provider_up: 1 });
  });

  it('a refresh that returns the ID token of another user', async () => {
    await open();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, sub: 'mallory' });
    testGateway.advance(LIFE);
    expect(await call()).toBe(401);
    expect(await outcomes()).toEqual({ rejected: 1 });
    expect(await figures()).toMatchObject({ 'sessions_ended_total identity_changed': 1 });
  });

  it.each([
    ['before the provider processes it', 'before' as const],
    ['after the provider processed it', 'after' as const],
  ])('a refresh whose session is signed out %s', async (_what, moment) => {
    await open();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token', moment);
    const late = call();
    await gate.waiting();
    expect((await elsewhere.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    gate.release();
    expect(await late).toBe(401);
    expect(await outcomes()).toEqual({ failed: 1 });
    expect(await figures(replica)).toMatchObject({ 'sessions_ended_total logout': 1 });
  });
});

describe('the metrics count a 401 from an API', () => {
  beforeEach(() => open());

  it('as replayed when the call is sent again', async () => {
    await call();
    revokeToken();
    expect(await calls(5)).toEqual(Array(5).fill(200));
    expect(await figures()).toMatchObject({ 'upstream_401_total replayed': 5, 'refresh_total refreshed': 1 });
  });

  it('as passed when it reaches the browser', async () => {
    testGateway.upstream.respond(status(401));
    expect(await call()).toBe(401);
    expect(await figures()).toMatchObject({
      'upstream_401_total replayed': 1,
      'upstream_401_total passed': 1,
    });
    expect(await call()).toBe(401);
    expect(await figures()).toMatchObject({
      'upstream_401_total replayed': 1,
      'upstream_401_total passed': 2,
    });
    expect(await outcomes()).toEqual({ refreshed: 1 });
  });

  it('as step_up when it asks for a stronger sign-in', async () => {
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
    expect(await call()).toBe(401);
    expect(await figures()).toMatchObject({ 'upstream_401_total step_up': 1 });
    expect(await outcomes()).toEqual({});
  });
});

describe('the metrics count sessions', () => {
  it('when they start and by the reason for their end', async () => {
    await open();
    await testGateway.agent.signIn();
    const signedOut = testGateway.browser();
    await signedOut.signIn();
    await signedOut.fetch('/auth/logout', { method: 'POST' });
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    const withoutRefresh = testGateway.browser();
    await withoutRefresh.signIn();
    testGateway.advance(LIFE);
    await withoutRefresh.fetch('/api/one');
    expect(await figures()).toMatchObject({
      sessions_started_total: 4,
      'sessions_ended_total replaced': 1,
      'sessions_ended_total logout': 1,
      'sessions_ended_total expired': 1,
    });
  });
});

describe('the metrics during a store outage', () => {
  /** Opens a test gateway on a Redis of its own that keeps its data. */
  const openOnOwn = async (cache: { maxAge: string }) => {
    const own = await startRedis({ args: ['--appendonly', 'yes'] });
    onTestFinished(() => own.close());
    await open({ store: own.url, config: { session: { cache } } });
    return own;
  };

  it('count the failed operations and show store_up as 0 until recovery', async () => {
    const own = await openOnOwn({ maxAge: '0s' });
    expect(await figures()).toMatchObject({ store_up: 1 });
    await own.stop();
    expect(await call()).toBe(503);
    expect(await call()).toBe(503);
    const during = await figures();
    expect(during).not.toHaveProperty('store_up');
    expect(during).toMatchObject({ 'store_errors_total load': 2 });

    await own.start();
    await vi.waitFor(async () => expect(await call()).toBe(200), PATIENCE);
    await vi.waitFor(async () => expect(await figures()).toMatchObject({ store_up: 1 }), PATIENCE);
  });

  it('count a failed lock acquisition and keep the session during a refresh', async () => {
    const own = await openOnOwn({ maxAge: '1h' });
    await call();
    testGateway.advance(LIFE);
    own.pause();
    expect(await call()).toBe(503);
    own.resume();
    expect(await outcomes()).toEqual({ kept: 1 });
    expect(await figures()).toMatchObject({ 'store_errors_total lock_take': 1 });
    await vi.waitFor(async () => expect(await call()).toBe(200), PATIENCE);
    expect(await outcomes()).toMatchObject({ refreshed: 1 });
  });
});
