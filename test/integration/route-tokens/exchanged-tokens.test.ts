import { describe, expect, it, vi } from 'vitest';
import { ProtocolError } from '../../../testkit/fake-provider/protocol-error.ts';
import { openTestGatewayForEachTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { requireToken, status } from '../../../testkit/upstream/behaviours.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

let testGateway: TestGateway;

openTestGatewayForEachTest(
  (opened) => {
    ({ testGateway } = opened);
  },
  {
    routes: [
      { path: '/api' },
      {
        path: '/orders',
        websocket: true,
        token: 'exchange',
        exchange: {
          audience: 'orders',
          scopes: ['orders.read'],
          resource: ['https://orders.test'],
          tokenType: ACCESS_TOKEN,
        },
      },
      { path: '/stock', token: 'exchange', exchange: { audience: 'stock', actor: 'client' } },
      { path: '/open', token: 'exchange', exchange: { audience: 'open' }, auth: 'optional' },
      { path: '/apart', token: 'exchange', exchange: { audience: 'apart' } },
      { path: '/apart/acted', token: 'exchange', exchange: { audience: 'apart', actor: 'client' } },
      { path: '/apart/typed', token: 'exchange', exchange: { audience: 'apart', tokenType: ACCESS_TOKEN } },
      { path: '/apart/narrowed', scopes: ['email'], token: 'exchange', exchange: { audience: 'apart' } },
      { path: '/none', token: 'none' },
      { path: '/none-optional', token: 'none', auth: 'optional' },
    ],
  },
);

const exchanges = () => testGateway.provider.tokenCalls({ grant: EXCHANGE });
const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
const forms = () =>
  testGateway.provider.requests
    .filter(({ form }) => form?.['grant_type'] === EXCHANGE)
    .map(({ form }) => form);
const bearers = () => testGateway.upstream.requests.map(({ bearer }) => bearer);
const tokens = () =>
  testGateway.provider.families.flatMap(({ accessTokens }) => accessTokens.map(({ token }) => token));
/** The claims of a JWT, unverified. */
const claimsOf = (token = '') =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

describe('a route with `token: exchange`', () => {
  it("sends a token that the provider issued for the user's, once for each audience and session", async () => {
    const { agent } = testGateway;
    await agent.signIn();
    const [signIn] = tokens();
    const responses = await Promise.all(
      ['one', 'two', 'three'].map((name) => agent.fetch(`/orders/${name}`)),
    );
    expect(responses.map((response) => response.status)).toEqual([200, 200, 200]);
    expect(forms()).toEqual([
      {
        grant_type: EXCHANGE,
        subject_token: signIn,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
        audience: 'orders',
        scope: 'orders.read',
        resource: 'https://orders.test',
      },
    ]);
    expect(new Set(bearers())).toEqual(new Set([tokens()[1]]));
    expect(claimsOf(bearers()[0])).toMatchObject({ sub: 'alice', aud: 'orders', scope: 'orders.read' });

    await agent.fetch('/open/one');
    expect(claimsOf(bearers().at(-1))).toMatchObject({ sub: 'alice', aud: 'open' });
    await agent.fetch('/api/one');
    expect(bearers().at(-1)).toBe(signIn);
    expect(exchanges()).toBe(2);
  });

  it('never gives one user the token of another', async () => {
    const { agent } = testGateway;
    const other = testGateway.browser();
    await agent.signIn('/', { loginHint: 'alice' });
    await other.signIn('/', { loginHint: 'bob' });
    const calls = Array.from({ length: 20 }, (_, at) =>
      (at % 2 === 0 ? agent : other).fetch(at % 4 < 2 ? `/orders/${at}` : `/open/${at}`),
    );
    await Promise.all(calls);
    for (const { target, bearer } of testGateway.upstream.requests) {
      const [, path, at] = target.split('/');
      const sub = Number(at) % 2 === 0 ? 'alice' : 'bob';
      expect([target, claimsOf(bearer)]).toMatchObject([target, { sub, aud: path }]);
    }
    expect(exchanges()).toBe(4);
  });

  it("keeps tokens apart that differ in the actor, the type or the user's token", async () => {
    const { agent } = testGateway;
    await agent.signIn();
    const paths = ['/apart/one', '/apart/acted', '/apart/typed', '/apart/narrowed'];
    for (const path of [...paths, ...paths]) expect((await agent.fetch(path)).status).toBe(200);
    expect(exchanges()).toBe(4);
    expect(new Set(bearers().slice(0, paths.length)).size).toBe(4);
    expect(new Set(bearers()).size).toBe(4);
  });

  it('names the gateway as the actor where that is asked for', async () => {
    const { agent } = testGateway;
    await agent.signIn();
    expect((await agent.fetch('/stock/one')).status).toBe(200);
    const [form] = forms();
    expect(claimsOf(form?.['actor_token'])).toMatchObject({ sub: 'web' });
    expect(form?.['actor_token_type']).toBe(ACCESS_TOKEN);
  });

  it('sends nothing for an anonymous caller of `auth: optional`', async () => {
    testGateway.upstream.respond(status(200));
    expect((await testGateway.agent.fetch('/open/one')).status).toBe(200);
    expect(bearers()).toEqual([undefined]);
    expect((await testGateway.agent.fetch('/orders/one')).status).toBe(401);
    expect(exchanges()).toBe(0);
  });

  it('shares the token with other processes through the session', async () => {
    const { agent } = testGateway;
    await agent.signIn();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ at: replica, like: agent });
    const responses = await Promise.all(
      Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? agent : elsewhere).fetch(`/orders/${at}`)),
    );
    expect(responses.map((response) => response.status)).toEqual(responses.map(() => 200));
    expect(exchanges()).toBe(1);
  });

  it('exchanges the next token of the user, and uses the previous result meanwhile', async () => {
    const { agent } = testGateway;
    await agent.signIn();
    await agent.fetch('/orders/one');
    const first = bearers()[0];
    testGateway.advance(270_000);
    expect((await agent.fetch('/orders/two')).status).toBe(200);
    expect(bearers()[1]).toBe(first);
    await vi.waitFor(async () => {
      await agent.fetch('/orders/more');
      expect(bearers().at(-1)).not.toBe(first);
    }, PATIENCE);
    expect([refreshes(), exchanges()]).toEqual([1, 2]);
    const [, second] = forms();
    expect(second?.['subject_token']).not.toBe(forms()[0]?.['subject_token']);
  });

  it("ends with the user's token, whatever lifetime the provider gives it", async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    provider.accessTokenLifetime = 3_000;
    await agent.fetch('/orders/one');
    testGateway.advance(310_000);
    expect((await agent.fetch('/orders/two')).status).toBe(200);
    expect([refreshes(), exchanges()]).toEqual([1, 2]);
    expect(bearers()[1]).not.toBe(bearers()[0]);
  });

  it('is renewed once after a 401 of the upstream, and the request is replayed', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    await agent.fetch('/orders/one');
    provider.revokeAccessToken(bearers()[0] ?? '');
    const response = await agent.fetch('/orders/two', { method: 'POST', body: Buffer.from('twice') });
    expect(response.status).toBe(200);
    expect(
      testGateway.upstream.requests.slice(1).map((request) => [request.status, request.bodyBytes]),
    ).toEqual([
      [401, 5],
      [200, 5],
    ]);
    expect([refreshes(), exchanges()]).toEqual([0, 2]);
  });

  it('passes the 401 of an upstream that rejects the next token too, without further exchanges', async () => {
    const { agent, upstream } = testGateway;
    await agent.signIn();
    upstream.respond(requireToken(() => false));
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await agent.fetch('/orders/one')).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401]);
    expect(exchanges()).toBe(2);
  });

  it('responds 502 where the provider refuses, asks once a minute, and affects no other route', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    provider.checkTokenRequest = (form) => {
      if (form['audience'] === 'orders') throw new ProtocolError('invalid_target', 'not for you');
    };
    for (let i = 0; i < 5; i += 1) {
      const response = await agent.fetch('/orders/one');
      expect([response.status, response.json()]).toMatchObject([502, { code: 'token_exchange_refused' }]);
      expect(response.text()).not.toContain('not for you');
    }
    expect(exchanges()).toBe(1);
    const other = testGateway.browser();
    await other.signIn('/', { loginHint: 'bob' });
    testGateway.advance(310_000);
    expect((await other.fetch('/open/one')).status).toBe(200);
    expect((await other.fetch('/api/one')).status).toBe(200);
    provider.checkTokenRequest = undefined;
    expect((await agent.fetch('/orders/one')).status).toBe(200);
    const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
    expect(metrics.split('\n')).toEqual(
      expect.arrayContaining([
        'coatcheck_token_grants_total{token="exchange",outcome="refused"} 1',
        'coatcheck_token_grants_total{token="exchange",outcome="issued"} 2',
        'coatcheck_token_grant_duration_seconds_count{token="exchange"} 3',
      ]),
    );
  });

  it('is 502 where the response has no access token, which does not count as an outage', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    provider.patchTokenResponse = (json, grant) =>
      grant === EXCHANGE ? { ...json, token_type: 'N_A' } : json;
    for (const path of ['/orders', '/open', '/stock', '/orders', '/open', '/stock']) {
      const response = await agent.fetch(path);
      expect([response.status, response.json()]).toMatchObject([502, { code: 'provider_invalid_response' }]);
    }
    expect(exchanges()).toBe(3);
    testGateway.advance(310_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('is 503 while the provider is away', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    await provider.stop();
    const response = await agent.fetch('/orders/one');
    expect([response.status, response.json()]).toMatchObject([503, { code: 'provider_unavailable' }]);
    expect(Number(response.header('retry-after'))).toBeGreaterThan(0);
  });

  it('passes a challenge for a scope on, and asks for a stronger sign-in when the upstream does', async () => {
    const { agent, upstream } = testGateway;
    await agent.signIn();
    upstream.respond(status(403, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="x"' }));
    expect((await agent.fetch('/orders/one')).status).toBe(403);
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    upstream.respond(status(401, { 'www-authenticate': challenge }));
    const response = await agent.fetch('/orders/one');
    expect([response.status, response.json()]).toMatchObject([
      401,
      { code: 'step_up_required', stepUp: { acrValues: ['gold'] } },
    ]);
  });

  it('sends the token with a WebSocket upgrade', async () => {
    const { agent } = testGateway;
    await agent.signIn();
    await agent.websocket('/orders/live');
    const [upgrade] = testGateway.upstream.upgrades;
    expect(upgrade?.header('authorization')).toBe(`Bearer ${tokens()[1]}`);
    expect(exchanges()).toBe(1);
  });
});

describe('a route with `token: none`', () => {
  it('requires the session and sends no Authorization', async () => {
    const { agent, upstream } = testGateway;
    upstream.respond(status(200));
    expect((await agent.fetch('/none/one')).status).toBe(401);
    expect((await agent.fetch('/none-optional/one')).status).toBe(200);
    await agent.signIn();
    expect((await agent.fetch('/none/two')).status).toBe(200);
    expect(
      (await agent.request('/none/three', { headers: { authorization: 'Bearer x', 'x-csrf': '1' } })).status,
    ).toBe(200);
    expect(upstream.requests).toHaveLength(3);
    for (const request of upstream.requests) expect(request.header('authorization')).toBeUndefined();
  });

  it('passes a 401 of the upstream without a refresh', async () => {
    const { agent, upstream } = testGateway;
    await agent.signIn();
    upstream.respond(status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }));
    expect((await agent.fetch('/none/one')).status).toBe(401);
    expect(refreshes()).toBe(0);
  });
});
