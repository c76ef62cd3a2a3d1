import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';
import {
  API,
  BILLING,
  LIFE,
  type MultiAudienceSetup,
  ORDERS,
  openMultiAudienceSetup,
} from './multi-audience-setup.ts';

describe('routes with their own scopes or resource', () => {
  let redis: RedisServer;
  let setup: MultiAudienceSetup;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    setup = await openMultiAudienceSetup(redis.url, [
      { path: '/admin', scopes: ['admin'] },
      { path: '/reports', scopes: ['admin', 'orders.read'] },
      { path: '/archive', resource: ['https://archive.example.test'] },
    ]);
    await setup.testGateway.agent.signIn();
  });
  afterEach(async () => {
    await setup.close();
    await redis.command('FLUSHALL');
  });

  const call = async (path: string, agent = setup.testGateway.agent) => (await agent.fetch(path)).status;
  const callAll = () => Promise.all([call('/api/one'), call('/orders/one'), call('/billing/one')]);
  const refreshes = () => setup.provider.tokenCalls({ grant: 'refresh_token' });
  const lastTokens = () =>
    [setup.testGateway.upstream, setup.orders, setup.billing].map(({ requests }) => requests.at(-1)?.bearer);
  /** The refresh tokens but the last one, which is waiting for its turn, were all shown once. */
  const expectBalance = () => {
    const shown = setup.provider.tokenLedger().map(({ presented }) => presented);
    expect(shown).toEqual([...shown.slice(0, -1).fill(1), 0]);
    expect(setup.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  };

  it('require a step-up of a session without a refresh token, whose other routes go on', async () => {
    setup.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    const agent = setup.testGateway.browser();
    await agent.signIn();
    expect((await agent.fetch('/orders/one')).json()).toMatchObject({ code: 'step_up_required' });
    expect(await call('/api/one', agent)).toBe(200);
    expect(refreshes()).toBe(0);
  });

  it('do not require a second step-up of a session that gets no refresh token at the first', async () => {
    setup.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    const agent = setup.testGateway.browser();
    await agent.signIn();
    const { loginUrl } = (await agent.fetch('/orders/one')).json() as { loginUrl: string };
    await agent.navigate(loginUrl, { from: 'page' });
    expect((await agent.fetch('/orders/one')).json()).toMatchObject({
      status: 502,
      code: 'provider_invalid_response',
    });
    expect((await agent.fetch('/billing/one')).json()).toMatchObject({ code: 'step_up_required' });
    expect(await call('/api/one', agent)).toBe(200);
  });

  it('each get their own token, which is requested once', async () => {
    for (let round = 0; round < 3; round += 1) expect(await callAll()).toEqual([200, 200, 200]);
    const [api = '', orders = '', billing = ''] = lastTokens();
    expect(decodeJwt(api)).toMatchObject({
      aud: API.audience,
      scope: 'openid offline_access orders.read billing.read',
    });
    expect(decodeJwt(orders)).toMatchObject({ aud: ORDERS.resource[0], scope: 'orders.read' });
    expect(decodeJwt(billing)).toMatchObject({ aud: BILLING.resource[0], scope: 'billing.read' });
    expect(setup.strays).toEqual([]);
    expect(refreshes()).toBe(2);
    expectBalance();
  });

  it('keep their tokens while the token of one route is refreshed', async () => {
    await call('/orders/one');
    setup.testGateway.advance(LIFE / 2);
    await callAll();
    const [, orders, billing] = lastTokens();
    setup.testGateway.advance(LIFE / 2);
    expect(await callAll()).toEqual([200, 200, 200]);
    const [, ordersLater, billingLater] = lastTokens();
    expect(ordersLater).not.toBe(orders);
    expect(billingLater).toBe(billing);
    expectBalance();
  });

  it('refresh their tokens one at a time when all expire at once so that no refresh token is lost', async () => {
    const replica = await setup.testGateway.replica();
    const elsewhere = setup.testGateway.browser({ like: setup.testGateway.agent, at: replica });
    for (let round = 0; round < 5; round += 1) {
      const before = refreshes();
      const responses = await Promise.all(
        [setup.testGateway.agent, elsewhere, setup.testGateway.agent, elsewhere].flatMap((agent) =>
          [API, ORDERS, BILLING].map(({ path }) => call(`${path}/round-${round}`, agent)),
        ),
      );
      expect(responses).toEqual(Array(12).fill(200));
      // At first the token of the sign-in is valid for one of them.
      expect(refreshes() - before).toBe(round === 0 ? 2 : 3);
      expect(new Set(lastTokens()).size).toBe(3);
      setup.testGateway.advance(LIFE);
    }
    expect(setup.provider.maxConcurrentTokenCalls).toBe(1);
    expect(setup.strays).toEqual([]);
    expectBalance();
  });

  it('keep the other tokens when the token of one route is revoked before its expiry', async () => {
    await callAll();
    const before = lastTokens();
    setup.provider.revokeAccessToken(before[1] ?? '');
    expect(await callAll()).toEqual([200, 200, 200]);
    const after = lastTokens();
    expect(after.map((token, at) => token === before[at])).toEqual([true, false, true]);
    expect(refreshes()).toBe(3);
    expectBalance();
  });

  it.each([
    ['scope', '/admin/one', 'invalid_scope'],
    ['resource', '/archive/one', 'invalid_target'],
  ])(
    'respond 401 step_up_required when their %s is not granted while the other routes keep working',
    async (_what, path) => {
      const refused = await setup.testGateway.agent.fetch(path);
      expect(refused.json()).toMatchObject({
        status: 401,
        code: 'step_up_required',
        loginUrl: expect.stringMatching(/^\/auth\/login\?stepUp=/),
      });
      expect(refused.header('www-authenticate')).toBeUndefined();
      expect(refused.setCookies).toEqual([]);
      expect(setup.testGateway.upstream.requests).toEqual([]);
      expect(await callAll()).toEqual([200, 200, 200]);
      setup.testGateway.advance(LIFE);
      expect(await callAll()).toEqual([200, 200, 200]);
      expect(await call(path)).toBe(401);
      expect(setup.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
    },
  );

  it('whose scope is not granted cause one token request for many calls and leave the refresh limit to other routes', async () => {
    const limited = await openMultiAudienceSetup(redis.url, [{ path: '/admin', scopes: ['admin'] }]);
    await limited.testGateway.agent.signIn();
    const responses = Array.from({ length: 100 }, () => limited.testGateway.agent.fetch('/admin/one'));
    expect(countOccurrences((await Promise.all(responses)).map(({ status }) => status))).toEqual({
      401: 100,
    });
    for (let more = 0; more < 50; more += 1) await limited.testGateway.agent.fetch('/admin/one');
    expect(limited.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    limited.testGateway.advance(LIFE);
    expect((await limited.testGateway.agent.fetch('/orders/one')).status).toBe(200);
    // A rejected scope may be granted by now, so it is requested again after a while.
    expect((await limited.testGateway.agent.fetch('/admin/one')).status).toBe(401);
    expect(limited.provider.tokenCalls({ grant: 'refresh_token' })).toBe(3);
    await limited.close();
  });

  it('use a token with fewer scopes than requested, request it once and require a step-up when the API misses one (standards: G3)', async () => {
    setup.provider.narrow = (granted, asked) => asked.filter((scope) => granted.includes(scope));
    const challenge = 'Bearer error="insufficient_scope", scope="admin"';
    setup.testGateway.upstream.respond(status(403, { 'www-authenticate': challenge }));
    for (let round = 0; round < 5; round += 1) {
      const response = await setup.testGateway.agent.fetch('/reports/one');
      expect(response.json()).toMatchObject({ code: 'step_up_required', stepUp: { scopes: ['admin'] } });
    }
    const { bearer = '' } = setup.testGateway.upstream.requests.at(-1) ?? {};
    expect(decodeJwt(bearer)['scope']).toBe('orders.read');
    expect(refreshes()).toBe(1);
    expectBalance();
  });

  it('respond 401 session_expired together when the provider rejects the refresh token', async () => {
    await callAll();
    setup.provider.invalidateSession({ user: 'alice' });
    setup.testGateway.advance(LIFE);
    const responses = await Promise.all(
      [API, ORDERS, BILLING].map(({ path }) => setup.testGateway.agent.fetch(`${path}/x`)),
    );
    for (const response of responses) expect(response.json()).toMatchObject({ code: 'session_expired' });
    expect(await call('/orders/one')).toBe(401);
  });
});
