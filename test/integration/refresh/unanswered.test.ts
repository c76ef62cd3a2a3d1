import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { echo, status } from '../../../testkit/upstream/behaviours.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;
/** Longer than a circuit breaker or a session pauses in an outage, in milliseconds. */
const PAUSE = 30_000;

let testGateway: TestGateway;
let alice: UserAgent;

beforeEach(async () => {
  testGateway = await openTestGatewayForTest();
  alice = testGateway.agent;
  await alice.signIn('/', { loginHint: 'alice' });
  testGateway.advance(LIFE);
});

const call = (agent: UserAgent) => agent.fetch('/api/one');
/** How often each refresh token of a user was sent, from the oldest to the newest. */
const sendings = (name = 'alice') => {
  const family = testGateway.provider.families.find(({ grant }) => grant.subject === name);
  return family?.refreshTokens.map(
    ({ token }) =>
      testGateway.provider.requests.filter(({ form }) => form?.['refresh_token'] === token).length,
  );
};

function expectKept(response: AgentResponse): void {
  expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(response.setCookies).toEqual([]);
}

/** Polls through an outage of ten minutes. */
async function pollThroughOutage(...agents: readonly UserAgent[]): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    for (const agent of agents) expectKept(await call(agent));
    testGateway.advance(PAUSE);
  }
}

async function expectServedAfterOutage(): Promise<void> {
  testGateway.provider.faults.clear();
  testGateway.advance(PAUSE);
  expect((await call(alice)).status).toBe(200);
}

describe('a refresh token that was sent without a response (standards: G15)', () => {
  it('is sent twice in an outage of ten minutes, and once more when the endpoint responds again', async () => {
    testGateway.provider.faults.token = { status: 504 };
    await pollThroughOutage(alice);
    expect(sendings()).toEqual([2]);
    await expectServedAfterOutage();
    expect(sendings()).toEqual([3, 0]);
    expect(testGateway.provider.tokenLedger()).toMatchObject([{ spent: 1, reuses: 0 }, { spent: 0 }]);
  });

  it('is sent once more half an hour later, if the endpoint responds to no other call', async () => {
    testGateway.provider.faults.token = { status: 504 };
    for (let tens = 1; tens <= 4; tens += 1) {
      await pollThroughOutage(alice);
      expect(sendings()).toEqual([tens < 4 ? 2 : 3]);
    }
  });

  it('ends its session once the endpoint responds, if the provider had used it up', async () => {
    testGateway.provider.faults.token = { status: 504, when: 'after' };
    await pollThroughOutage(alice);
    expect((await alice.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    testGateway.provider.faults.clear();
    testGateway.advance(PAUSE);
    expect((await call(alice)).json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect((await alice.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('is sent once more after a response to another session, without a made-up token', async () => {
    testGateway.provider.faults.token = { status: 504 };
    expectKept(await call(alice));
    testGateway.provider.faults.clear();
    const bob = testGateway.browser();
    await bob.signIn('/', { loginHint: 'bob' });
    testGateway.advance(LIFE);
    expect((await call(bob)).status).toBe(200);
    const before = testGateway.provider.tokenCalls({ grant: 'refresh_token' });
    expect((await call(alice)).status).toBe(200);
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(before + 1);
    expect(sendings()).toEqual([3, 0]);
  });

  it('is sent ever less often if the endpoint responds to others only', async () => {
    const bob = testGateway.browser();
    await bob.signIn('/', { loginHint: 'bob' });
    for (let minute = 0; minute < 30; minute += 1) {
      testGateway.provider.faults.token = { status: 504 };
      expectKept(await call(alice));
      testGateway.provider.faults.clear();
      testGateway.advance(LIFE / 5);
      expect((await call(bob)).status).toBe(200);
    }
    // Twice at once, then after the first response to another, and 1, 2, 4, 8 and 10 minutes later.
    expect(sendings()?.[0]).toBeGreaterThanOrEqual(6);
    expect(sendings()?.[0]).toBeLessThanOrEqual(8);
    testGateway.advance(PAUSE * 20);
    expect((await call(alice)).status).toBe(200);
  });

  it.each([
    ['step-up', 'memory'],
    ['sign-in', 'memory'],
    ['step-up', 'Redis'],
  ])('stays counted when a %s returns the same token again, in %s', async (kind, where) => {
    const redis = where === 'Redis' ? await startRedis() : undefined;
    onTestFinished(() => redis?.close());
    testGateway = await openTestGatewayForTest({ store: redis?.url ?? 'memory:' });
    alice = testGateway.agent;
    await alice.signIn('/', { loginHint: 'alice' });
    const challenge = 'Bearer error="insufficient_user_authentication"';
    testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
    const { loginUrl } = (await call(alice)).json() as { loginUrl: string };
    testGateway.upstream.respond(echo);
    testGateway.advance(LIFE);

    testGateway.provider.rotate = 'same';
    const [first] = testGateway.provider.families[0]?.refreshTokens ?? [];
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: first?.token });
    testGateway.provider.faults.token = { status: 504, times: 2 };
    expectKept(await call(alice));
    await alice.navigate(kind === 'step-up' ? `${loginUrl}&returnTo=/` : '/auth/login', { from: 'page' });
    expect(testGateway.provider.families).toHaveLength(2);
    testGateway.advance(LIFE);
    testGateway.provider.faults.token = { status: 504 };
    await pollThroughOutage(alice);
    expect(sendings()).toEqual([2]);
    await expectServedAfterOutage();
    expect(sendings()).toEqual([3]);
  });

  it('does not count as sent while nothing listens', async () => {
    await testGateway.provider.stop();
    await pollThroughOutage(alice);
    await testGateway.provider.start();
    testGateway.advance(PAUSE);
    expect((await call(alice)).status).toBe(200);
    expect(sendings()).toEqual([1, 0]);
  });

  it('is sent twice by all replicas together, also by one that starts later', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    testGateway = await openTestGatewayForTest({ store: redis.url });
    alice = testGateway.agent;
    await alice.signIn('/', { loginHint: 'alice' });
    testGateway.advance(LIFE);
    testGateway.provider.faults.token = { status: 504 };
    const second = testGateway.browser({ like: alice, at: await testGateway.replica() });
    await pollThroughOutage(alice, second);
    const third = testGateway.browser({ like: alice, at: await testGateway.replica() });
    await pollThroughOutage(third);
    expect(sendings()).toEqual([2]);
    testGateway.provider.faults.clear();
    testGateway.advance(PAUSE);
    expect((await call(third)).status).toBe(200);
    expect((await call(alice)).status).toBe(200);
    expect(sendings()).toEqual([3, 0]);
  });
});
