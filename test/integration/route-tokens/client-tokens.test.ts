import { describe, expect, it, vi } from 'vitest';
import { openTestGatewayForEachTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { ProtocolError } from '../../../testkit/fake-provider/protocol-error.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { echo, status } from '../../../testkit/upstream/behaviours.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let testGateway: TestGateway;
let redis: RedisServer;

openTestGatewayForEachTest(
  (opened) => {
    ({ testGateway, redis } = opened);
  },
  {
    routes: [
      { path: '/api' },
      { path: '/machine', token: 'client', scopes: ['items.read'], resource: ['https://items.test'] },
      { path: '/items/two', token: 'client', scopes: ['items.read'], resource: ['https://two.test'] },
      { path: '/items/same', token: 'client', scopes: ['items.read'], resource: ['https://items.test'] },
      { path: '/open', token: 'client', auth: 'optional', exchange: { audience: 'https://open.test' } },
    ],
  },
);

const grants = () => testGateway.provider.tokenCalls({ grant: 'client_credentials' });
const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
const bearers = () => testGateway.upstream.requests.map(({ bearer }) => bearer);
const tokens = () => testGateway.provider.families.flatMap(({ accessTokens }) => accessTokens);
const issued = () => tokens().map(({ token }) => token);
const forms = () =>
  testGateway.provider.requests
    .filter(({ form }) => form?.['grant_type'] === 'client_credentials')
    .map(({ form }) => form);

describe('a route with `token: client`', () => {
  it('requires the session and sends a token of the client, for the scopes and resource of the route', async () => {
    const { agent } = testGateway;
    expect((await agent.fetch('/machine/one')).status).toBe(401);
    expect(grants()).toBe(0);

    await agent.signIn();
    const responses = await Promise.all(
      ['one', 'two', 'three'].map((name) => agent.fetch(`/machine/${name}`)),
    );
    expect(responses.map((response) => response.status)).toEqual([200, 200, 200]);
    expect(grants()).toBe(1);
    expect(forms()).toEqual([
      { grant_type: 'client_credentials', scope: 'items.read', resource: 'https://items.test' },
    ]);
    // The first token is that of the sign-in.
    expect(bearers()).toEqual([issued()[1], issued()[1], issued()[1]]);
  });

  it('shares one token among routes with the same scopes and resource alone', async () => {
    const { agent } = testGateway;
    await agent.signIn();
    for (const path of ['/machine/one', '/items/two', '/items/same'])
      expect((await agent.fetch(path)).status).toBe(200);
    expect(forms().map((form) => form?.['resource'])).toEqual(['https://items.test', 'https://two.test']);
    const [first, second, third] = bearers();
    expect(third).toBe(first);
    expect(second).not.toBe(first);
  });

  it('serves anonymous callers of `auth: optional`, and every session, with one token', async () => {
    const { agent } = testGateway;
    expect((await agent.fetch('/open/one')).status).toBe(200);
    await agent.signIn();
    expect((await agent.fetch('/open/two')).status).toBe(200);
    expect(forms()).toEqual([{ grant_type: 'client_credentials', audience: 'https://open.test' }]);
    expect(new Set(bearers())).toEqual(new Set([issued()[0]]));
  });

  it('shares the token with other processes, sealed in Redis', async () => {
    const others = await Promise.all([testGateway.replica(), testGateway.replica()]);
    const agents = [testGateway.agent, ...others.map((at) => testGateway.browser({ at }))];
    const responses = await Promise.all(agents.map((agent) => agent.fetch('/open/one')));
    expect(responses.map((response) => response.status)).toEqual([200, 200, 200]);
    expect(grants()).toBe(1);
    const late = testGateway.browser({ at: await testGateway.replica() });
    expect((await late.fetch('/open/late')).status).toBe(200);
    expect(grants()).toBe(1);
    const keys = (await redis.command('KEYS', 'coatcheck:token:*')) as string[];
    expect(keys).toHaveLength(1);
    const ttlMs = Number(await redis.command('PTTL', keys[0] ?? ''));
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(300_000);
  });

  it('renews the token ahead of its expiry, while requests use the one they have', async () => {
    const { agent, provider } = testGateway;
    await agent.fetch('/open/one');
    testGateway.advance(270_000);
    expect((await agent.fetch('/open/two')).status).toBe(200);
    await vi.waitFor(() => expect(grants()).toBe(2), PATIENCE);
    expect(bearers()).toEqual([issued()[0], issued()[0]]);
    await vi.waitFor(async () => {
      await agent.fetch('/open/three');
      expect(bearers().at(-1)).toBe(issued()[1]);
    }, PATIENCE);
    expect(provider.maxConcurrentTokenCalls).toBe(1);
  });

  it('renews the token once after a 401 of the upstream, and replays the request', async () => {
    const { agent, provider } = testGateway;
    await agent.fetch('/open/one');
    provider.revokeAccessToken(issued()[0] ?? '');
    const body = Buffer.from('a body to send twice');
    const response = await agent.fetch('/open/two', { method: 'POST', body });
    expect(response.status).toBe(200);
    expect(bearers()).toEqual([issued()[0], issued()[0], issued()[1]]);
    expect(testGateway.upstream.requests.slice(1).map(({ bodyBytes }) => bodyBytes)).toEqual([20, 20]);
    expect(grants()).toBe(2);
  });

  it('takes the token that another process has renewed after a 401', async () => {
    const other = testGateway.browser({ at: await testGateway.replica() });
    await testGateway.agent.fetch('/open/one');
    await other.fetch('/open/one');
    testGateway.provider.revokeAccessToken(issued()[0] ?? '');
    expect((await testGateway.agent.fetch('/open/two')).status).toBe(200);
    expect((await other.fetch('/open/two')).status).toBe(200);
    expect(grants()).toBe(2);
  });

  it('passes the 401 of an upstream that rejects a renewed token too, without further token calls', async () => {
    const { agent, upstream } = testGateway;
    upstream.respond(status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }));
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await agent.fetch('/open/one')).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401]);
    expect(grants()).toBe(2);
  });

  it('passes a challenge for a stronger sign-in, which a user could not meet for the client', async () => {
    const { agent, upstream } = testGateway;
    await agent.signIn();
    upstream.respond(status(403, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="x"' }));
    expect((await agent.fetch('/machine/one')).status).toBe(403);
  });

  it('is 503 while the provider is away, and uses a token that is still valid', async () => {
    const { agent, provider } = testGateway;
    await provider.stop();
    const response = await agent.fetch('/open/one');
    expect([response.status, response.json()]).toMatchObject([503, { code: 'provider_unavailable' }]);
    await provider.start();
    await vi.waitFor(async () => expect((await agent.fetch('/open/two')).status).toBe(200), PATIENCE);
    await provider.stop();
    testGateway.advance(270_000);
    expect((await agent.fetch('/open/three')).status).toBe(200);
  });

  it('has a token for each process while Redis is away', async () => {
    const other = testGateway.browser({ at: await testGateway.replica() });
    await redis.stop();
    const statuses = [];
    for (const agent of [testGateway.agent, other])
      for (const path of ['/open/one', '/open/two']) statuses.push((await agent.fetch(path)).status);
    await redis.start();
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(grants()).toBe(2);
  });

  it('asks once a minute where the provider refuses, and affects no other route', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    provider.checkTokenRequest = (form) => {
      if (form['grant_type'] === 'client_credentials')
        throw new ProtocolError('unauthorized_client', 'no client credentials for you');
    };
    for (let i = 0; i < 5; i += 1) {
      const response = await agent.fetch('/machine/one');
      expect([response.status, response.json()]).toMatchObject([503, { code: 'provider_unavailable' }]);
      expect(Number(response.header('retry-after'))).toBeGreaterThan(30);
    }
    expect(grants()).toBe(1);
    testGateway.advance(301_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
    expect(testGateway.gateway.logs()).toContain('the provider refuses a client token');
    provider.checkTokenRequest = undefined;
    expect((await agent.fetch('/open/one')).status).toBe(200);
    const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
    expect(metrics.split('\n')).toEqual(
      expect.arrayContaining([
        'coatcheck_token_grants_total{token="client",outcome="refused"} 1',
        'coatcheck_token_grants_total{token="client",outcome="issued"} 1',
        'coatcheck_token_grant_duration_seconds_count{token="client"} 2',
      ]),
    );
  });

  it('keeps the session refreshed, and ends it when the provider has ended it', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    await agent.fetch('/machine/one');
    testGateway.advance(310_000);
    expect((await agent.fetch('/machine/two')).status).toBe(200);
    expect(refreshes()).toBe(1);
    provider.invalidateSession({ user: 'alice' });
    testGateway.advance(310_000);
    const response = await agent.fetch('/machine/three');
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_expired' }]);
  });

  it('uses the session as it is while the provider cannot refresh it', async () => {
    const { agent, provider } = testGateway;
    provider.accessTokenLifetime = 100;
    await agent.signIn();
    provider.accessTokenLifetime = 600;
    await agent.fetch('/machine/one');
    testGateway.advance(150_000);
    await provider.stop();
    expect((await agent.fetch('/machine/two')).status).toBe(200);
  });

  it('sends one Authorization, and never that of the caller', async () => {
    const { agent, upstream } = testGateway;
    upstream.respond(echo);
    await agent.request('/open/one', { headers: { authorization: 'Bearer attacker', 'x-csrf': '1' } });
    const sent = upstream.requests[0]?.headers.filter(([name]) => name.toLowerCase() === 'authorization');
    expect(sent).toEqual([[expect.anything(), `Bearer ${issued()[0]}`]]);
  });
});
