import { describe, expect, it, onTestFinished } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { startGateway } from '../../../testkit/gateway/gateway.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';

/** Signs in, and reloads the gateway with another provider. */
async function openWithOtherProvider(
  options?: Parameters<typeof openTestGatewayForTest>[0],
): Promise<TestGateway & { other: FakeProvider }> {
  const testGateway = await openTestGatewayForTest(options);
  const other = await startFakeProvider();
  onTestFinished(() => other.close());
  await testGateway.agent.signIn();
  await testGateway.gateway.reload({ provider: other.register(testGateway.gateway.url) });
  return { ...testGateway, other };
}

/** The endpoints of a provider that were called and could have received a token. */
const tokenCallsTo = ({ requests }: FakeProvider) =>
  requests
    .map(({ endpoint }) => endpoint)
    .filter((endpoint) => endpoint !== 'discovery' && endpoint !== 'jwks');

async function endedBecause({ gateway }: TestGateway): Promise<string> {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return metrics.split('\n').find((line) => /^coatcheck_sessions_ended_total.* 1$/.test(line)) ?? 'none';
}

describe('a session of another issuer than that of the provider', () => {
  it('ends at its next request, and its valid token goes to no API', async () => {
    const testGateway = await openWithOtherProvider();
    const { agent, upstream } = testGateway;
    const response = await agent.fetch('/api/one');
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_expired' }]);
    expect(upstream.requests).toEqual([]);
    expect(await endedBecause(testGateway)).toContain('reason="issuer_changed"');
    await agent.signIn();
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    expect(testGateway.other.families).toMatchObject([{ alive: true }]);
  });

  it('ends at a WebSocket upgrade and at GET /auth/session, too', async () => {
    const testGateway = await openWithOtherProvider();
    const other = testGateway.browser({ like: testGateway.agent });
    await expect(testGateway.agent.websocket('/socket/live')).rejects.toThrow('401');
    expect((await other.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(await endedBecause(testGateway)).toContain('reason="issuer_changed"');
  });

  it('ends when its token has to be refreshed, without a call to the provider (standards: G1)', async () => {
    const testGateway = await openWithOtherProvider();
    testGateway.advance(301_000);
    const response = await testGateway.agent.fetch('/api/one');
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_expired' }]);
    expect(tokenCallsTo(testGateway.other)).toEqual([]);
    expect(await endedBecause(testGateway)).toContain('reason="issuer_changed"');
    expect(testGateway.gateway.logs()).toContain('"reason":"issuer_changed"');
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('ends after a restart as well, and for a token that an API rejects', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const testGateway = await openTestGatewayForTest({ store: redis.url });
    const other = await startFakeProvider();
    onTestFinished(() => other.close());
    await testGateway.agent.signIn();
    const restarted = await startGateway({
      provider: other,
      upstream: testGateway.upstream,
      store: redis.url,
      baseUrl: testGateway.gateway.url,
    });
    onTestFinished(() => restarted.close());
    const agent = testGateway.browser({ like: testGateway.agent, at: restarted });
    testGateway.upstream.respond(status(401));
    expect((await agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
    expect(tokenCallsTo(other)).toEqual([]);
  });

  it('ends when its token has to be exchanged, which goes to no other provider', async () => {
    const testGateway = await openWithOtherProvider({
      routes: [{ path: '/api' }, { path: '/orders', token: 'exchange', exchange: { audience: 'orders' } }],
    });
    const response = await testGateway.agent.fetch('/orders/one');
    expect(tokenCallsTo(testGateway.other)).toEqual([]);
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_expired' }]);
    expect(await endedBecause(testGateway)).toContain('reason="issuer_changed"');
  });

  it('sends neither its refresh token nor its ID token to the provider at a sign-out', async () => {
    const testGateway = await openWithOtherProvider();
    const { chain } = await testGateway.agent.navigate('/auth/logout', { from: 'page', form: {} });
    expect(chain[0]?.status).toBe(303);
    expect(chain[0]?.header('location')).toBe('/');
    expect(tokenCallsTo(testGateway.other)).toEqual([]);
  });

  it('has its refresh token revoked once the provider is its own again', async () => {
    const testGateway = await openWithOtherProvider();
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    expect(testGateway.provider.families.map(({ endedBecause: why }) => why)).toEqual([undefined]);
    await testGateway.gateway.reload({});
    testGateway.advance(700_000);
    await expect
      .poll(() => testGateway.provider.families.map(({ endedBecause: why }) => why), { timeout: 20_000 })
      .toEqual(['revoked']);
  });
});
