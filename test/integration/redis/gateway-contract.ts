import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The lifetime of the access tokens, in milliseconds. */
const TOKEN_LIFETIME_MS = 300_000;
/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 50 };

/**
 * The behaviour of two gateways on any Redis deployment. `at` gives its address, as in `session.store`. No cache entry
 * expires, so that a gateway learns of the other's changes only from messages.
 */
export function describeGatewayContract(at: () => string): void {
  let testGateway: TestGateway;
  let here: UserAgent;
  let there: UserAgent;

  beforeEach(async () => {
    testGateway = await openTestGateway({
      store: at(),
      config: { session: { cache: { maxAge: '1h' } }, rateLimit: { callback: 3 } },
    });
    onTestFinished(() => testGateway.close());
    const replica = await testGateway.replica();
    here = testGateway.agent;
    await here.signIn('/', { loginHint: 'alice' });
    there = testGateway.browser({ like: here, at: replica });
  });

  const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
  const lastBearer = () => testGateway.upstream.requests.at(-1)?.bearer;
  const calls = async (agent: UserAgent, count: number) => {
    const responses = Array.from({ length: count }, (_, call) => agent.fetch(`/api/${call}`));
    return (await Promise.all(responses)).map(({ status }) => status);
  };

  it('keep a session from sign-in through calls and refreshes to sign-out', async () => {
    for (let round = 0; round < 3; round += 1) {
      expect(await calls(here, 2)).toEqual([200, 200]);
      expect(await calls(there, 2)).toEqual([200, 200]);
      testGateway.advance(TOKEN_LIFETIME_MS);
    }
    expect(refreshes()).toBe(2);
    expect((await here.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject: 'alice',
    });
    expect((await there.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect((await here.fetch('/api/one')).json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked', reuses: 0 }]);
  });

  it('refresh an expired token once for concurrent requests at both', async () => {
    testGateway.advance(TOKEN_LIFETIME_MS);
    const [ours, theirs] = await Promise.all([calls(here, 20), calls(there, 20)]);
    expect([...ours, ...theirs]).toEqual(Array(40).fill(200));
    expect(refreshes()).toBe(1);
    expect(testGateway.provider.tokenLedger()).toMatchObject([{ spent: 1 }, { spent: 0, familyAlive: true }]);
  });

  it('share new tokens with each other', async () => {
    await calls(there, 1);
    const before = lastBearer();
    await calls(here, 1);
    testGateway.advance(TOKEN_LIFETIME_MS * 0.9);
    await calls(here, 1);
    await vi.waitFor(async () => {
      await calls(there, 1);
      expect(lastBearer()).not.toBe(before);
    }, POLLING);
    expect(refreshes()).toBe(1);
  });

  it('take over failed revocations from each other (standards: D8)', async () => {
    testGateway.provider.faults.revoke = { status: 503 };
    expect((await here.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    await testGateway.gateway.close();
    expect(testGateway.provider.families).toMatchObject([{ alive: true }]);
    delete testGateway.provider.faults.revoke;
    await vi.waitFor(
      () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
      POLLING,
    );
  });

  it('tell each other about the end of a session and close its WebSockets', async () => {
    const socket = await there.websocket('/socket/live');
    expect(await calls(there, 1)).toEqual([200]);
    expect((await here.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(await socket.closed).toMatchObject({ code: 1008 });
    expect(await calls(there, 1)).toEqual([401]);
  });

  it('end the sessions of a removed secret everywhere and revoke their refresh tokens', async () => {
    const socket = await there.websocket('/socket/live');
    const secrets = ['only-secret-Dk7mWq4ZtX9bNv2RjG8y'];
    await testGateway.gateway.reload({ session: { secrets } });
    await vi.waitFor(
      () =>
        expect(testGateway.gateway.logs()).toMatch(/"ended":1,"msg":"ended the sessions of removed secrets/),
      POLLING,
    );
    expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]);
    expect(await socket.closed).toMatchObject({ code: 1008 });
    expect(await calls(there, 1)).toEqual([401]);
  });

  it('share the rate limit of a client', async () => {
    const callback = async (agent: UserAgent) => (await agent.get('/auth/callback?state=x')).status;
    // The sign-in was the first of three; the other gateway has only ever seen two.
    expect([await callback(here), await callback(there), await callback(there)]).toEqual([400, 400, 429]);
  });
}
