import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import type { Fault } from '../../../testkit/fake-provider/faults.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import { openVendorFixture, postLogin } from '../../../testkit/providers/vendor-fixture.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;
const MINUTE = 60_000;
/** The first pause of a session after a response that is not one of OAuth, in milliseconds. */
const PAUSE = 5_000;

let gateway: TestGateway;
let alice: UserAgent;
let others: UserAgent[];

beforeEach(async () => {
  gateway = await openTestGatewayForTest({
    config: { provider: { rejectionErrors: ['invalid_grant', 'token_inactive'] } },
  });
  alice = gateway.browser();
  await alice.signIn('/', { loginHint: 'alice' });
  others = ['bob', 'carol', 'dave', 'erin'].map(() => gateway.browser());
  await Promise.all(others.map((agent, at) => agent.signIn('/', { loginHint: `other-${at}` })));
});

const refuse = (error: string) => {
  gateway.provider.faults.token = {
    status: 400,
    body: { error },
    headers: { 'content-type': 'application/json' },
    times: 1,
  };
};
const refreshes = () => gateway.provider.tokenCalls({ grant: 'refresh_token' });
const call = (agent: UserAgent) => agent.fetch('/api/one');

/** Lets every other session refresh its token, which the provider serves. */
async function expectOthersServed(): Promise<void> {
  const responses = await Promise.all(others.map(call));
  expect(responses.map(({ status }) => status)).toEqual(others.map(() => 200));
}

describe('a session whose refresh token the provider rejects with a 400 of no known meaning, as Dex does', () => {
  it('gets a 503, is not retried for a minute, and delays no refresh of others', async () => {
    gateway.advance(LIFE);
    refuse('invalid_request');
    expect((await call(alice)).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    const before = refreshes();
    for (let at = 0; at < 10; at += 1) expect((await call(alice)).status).toBe(503);
    expect(refreshes()).toBe(before);
    await expectOthersServed();
    gateway.advance(MINUTE);
    expect((await call(alice)).status).toBe(200);
  });

  it('ends with 401 session_expired after three rejections while others are served', async () => {
    gateway.advance(LIFE);
    for (const refusal of [1, 2]) {
      refuse('invalid_request');
      expect((await call(alice)).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
      if (refusal === 1) await expectOthersServed();
      gateway.advance(MINUTE);
    }
    refuse('invalid_request');
    const response = await call(alice);
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(response.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
    expect((await alice.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(gateway.gateway.logs()).toContain(
      'the provider keeps refusing the refresh token; ending the session',
    );
  });

  it('ends after three rejections in all processes together, each of which has just started', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    gateway = await openTestGatewayForTest({ store: redis.url });
    const bob = gateway.browser();
    await gateway.agent.signIn('/', { loginHint: 'alice' });
    await bob.signIn('/', { loginHint: 'bob' });
    const codes: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      const at = await gateway.replica();
      gateway.advance(LIFE);
      expect((await call(gateway.browser({ like: bob, at }))).status).toBe(200);
      refuse('invalid_request');
      codes.push(Object((await call(gateway.browser({ like: gateway.agent, at }))).json()).code);
    }
    expect(codes).toEqual(['provider_unavailable', 'provider_unavailable', 'session_expired']);
  });

  it('is not retried for a minute by another process either', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    gateway = await openTestGatewayForTest({ store: redis.url });
    await gateway.agent.signIn();
    const elsewhere = gateway.browser({ like: gateway.agent, at: await gateway.replica() });
    gateway.advance(LIFE);
    refuse('invalid_request');
    for (const agent of [gateway.agent, elsewhere]) expect((await call(agent)).status).toBe(503);
    expect(refreshes()).toBe(1);
  });

  it('is kept when a refresh succeeds between the rejections, however many they are', async () => {
    for (let round = 0; round < 4; round += 1) {
      gateway.advance(LIFE);
      refuse('temporarily_unavailable');
      expect((await call(alice)).status).toBe(503);
      await expectOthersServed();
      gateway.advance(MINUTE);
      expect((await call(alice)).status).toBe(200);
    }
  });

  it('ends at once when provider.rejectionErrors names the error', async () => {
    gateway.advance(LIFE);
    refuse('token_inactive');
    expect((await call(alice)).json()).toMatchObject({ status: 401, code: 'session_expired' });
    await expectOthersServed();
  });
});

describe('refusals of three sessions in a row', () => {
  it.each([
    'invalid_request',
    'interaction_required',
    'invalid_dpop_proof',
    'use_dpop_nonce',
    'unauthorized_client',
  ])('with %s do not open the circuit breaker of all sessions', async (error) => {
    gateway.advance(LIFE);
    const refused = [alice, ...others.slice(0, 2)];
    for (const agent of refused) {
      refuse(error);
      expect((await call(agent)).status).not.toBe(200);
    }
    for (const agent of others.slice(2)) expect((await call(agent)).status).toBe(200);
  });

  it.each([403, 404, 409])("with a vendor's %d do not open it either, and end no session", async (status) => {
    const vendor = await openVendorFixture();
    vendor.vendor.lifeSeconds = LIFE / 1000;
    onTestFinished(() => vendor.close());
    const refused = [vendor.browser(), vendor.browser(), vendor.browser()];
    const bob = vendor.browser();
    for (const agent of refused) await postLogin(agent);
    await postLogin(bob, { username: 'bob', password: ACCOUNTS['bob'] });
    vendor.advance(LIFE);
    vendor.vendor.server.fault = ({ path }) => (path === '/auth/refresh' ? { status, body: {} } : undefined);
    for (let round = 0; round < 4; round += 1) {
      for (const agent of refused) expect((await call(agent)).status).toBe(503);
      vendor.vendor.server.fault = undefined;
      expect((await call(bob)).status).toBe(200);
      vendor.advance(LIFE);
      vendor.vendor.server.fault = ({ path }) =>
        path === '/auth/refresh' ? { status, body: {} } : undefined;
    }
  });
});

describe('a response of the token endpoint that is not one of OAuth', () => {
  const HTML = { headers: { 'content-type': 'text/html' }, body: '<h1>refused</h1>' };
  const JSON_BODY = { headers: { 'content-type': 'application/json' }, body: { message: 'expired' } };
  const faults: [string, Fault][] = [
    ['400 in HTML', { status: 400, ...HTML }],
    ['400 in JSON', { status: 400, ...JSON_BODY }],
    ['403', { status: 403 }],
    ['404 in HTML', { status: 404, ...HTML }],
    ['a redirect', { status: 302, headers: { location: 'https://other.example/' } }],
  ];
  /** Calls while the token endpoint responds so. */
  const callDuring = async (fault: Fault, agent: UserAgent) => {
    gateway.provider.faults.token = fault;
    const response = await call(agent);
    gateway.provider.faults.clear();
    return response;
  };

  it.each(faults)('to one session that polls delays no refresh of others: %s', async (_what, fault) => {
    for (let round = 0; round < 4; round += 1) {
      gateway.advance(LIFE);
      for (let poll = 0; poll < 5; poll += 1) {
        const response = await callDuring(fault, alice);
        // Refused three times in JSON while others are served, the session has ended.
        expect([401, 503]).toContain(response.status);
        gateway.advance(PAUSE);
      }
      await expectOthersServed();
    }
  });

  it.each(faults)('to one session causes few calls, however often it polls: %s', async (_what, fault) => {
    gateway.advance(LIFE);
    gateway.provider.faults.token = fault;
    for (let poll = 0; poll < 60; poll += 1) {
      const response = await call(alice);
      expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
      expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
      gateway.advance(1_000);
    }
    expect(refreshes()).toBeLessThanOrEqual(4);
  });

  it.each(faults)('to every session pauses the calls of the process: %s', async (_what, fault) => {
    gateway.advance(LIFE);
    gateway.stopClock();
    gateway.provider.faults.token = fault;
    for (const agent of [alice, ...others]) expect((await call(agent)).status).toBe(503);
    expect(refreshes()).toBe(3);
    gateway.provider.faults.clear();
    gateway.advance(MINUTE);
    expect((await call(alice)).status).toBe(200);
    await expectOthersServed();
  });

  it('ends no session when it is 400 in HTML, and ends the session when it is 400 in JSON three times, a minute apart', async () => {
    const bob = others[0] ?? alice;
    gateway.advance(LIFE);
    const codes: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      await callDuring({ status: 400, ...HTML }, bob);
      codes.push(Object((await callDuring({ status: 400, ...JSON_BODY }, alice)).json()).code);
      expect((await call(others[1] ?? alice)).status).toBe(200);
      gateway.advance(LIFE);
    }
    expect(codes).toEqual(['provider_unavailable', 'provider_unavailable', 'session_expired']);
    expect((await call(bob)).status).toBe(200);
  });
});

describe('a session for which the provider requires the user to sign in again', () => {
  it.each([
    'interaction_required',
    'login_required',
    'consent_required',
    'account_selection_required',
    'unmet_authentication_requirements',
  ])('gets 401 with a loginUrl for %s, keeps its cookie, and delays no refresh of others', async (error) => {
    gateway.advance(LIFE);
    refuse(error);
    const response = await call(alice);
    expect(response.json()).toMatchObject({
      status: 401,
      loginUrl: expect.stringMatching(/^\/auth\/login\?stepUp=/),
    });
    expect(response.setCookies).toEqual([]);
    const before = refreshes();
    for (let at = 0; at < 10; at += 1) expect((await call(alice)).status).toBe(401);
    expect(refreshes()).toBe(before);
    await expectOthersServed();
  });

  it('gets 401 with a loginUrl also when the API rejects its token before it expires', async () => {
    const [token] =
      gateway.provider.families.find(({ grant }) => grant.subject === 'alice')?.accessTokens ?? [];
    gateway.provider.revokeAccessToken(token?.token ?? '');
    refuse('interaction_required');
    for (let at = 0; at < 3; at += 1) {
      expect((await call(alice)).json()).toMatchObject({
        code: 'step_up_required',
        loginUrl: expect.stringMatching(/^\/auth\/login\?stepUp=/),
      });
    }
    expect(refreshes()).toBe(1);
    gateway.advance(MINUTE);
    expect((await call(alice)).status).toBe(200);
  });
});

describe('a route whose resource the provider does not know', () => {
  it('gets step_up_required for its own calls, and delays no refresh of others', async () => {
    const testGateway = await openTestGatewayForTest({
      routes: [{ path: '/api' }, { path: '/wrong', resource: ['https://wrong.example.test'] }],
    });
    await testGateway.agent.signIn();
    for (let at = 0; at < 6; at += 1) {
      testGateway.provider.faults.token = {
        status: 400,
        body: { error: 'invalid_resource' },
        headers: { 'content-type': 'application/json' },
        times: 1,
      };
      const response = await testGateway.agent.fetch('/wrong/one');
      expect(response.json()).toMatchObject({ status: 401, code: 'step_up_required' });
      testGateway.advance(MINUTE);
    }
    testGateway.provider.faults.clear();
    testGateway.advance(LIFE);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });
});

describe('refresh.maxPerMinute', () => {
  it('counts for each audience, so that the tokens of many routes can be requested and expire together', async () => {
    const resources = Array.from({ length: 36 }, (_, at) => `https://api-${at}.example.test`);
    const provider = await startFakeProvider({ resources });
    const many = await openTestGatewayForTest({
      provider,
      routes: resources.map((resource, at) => ({ path: `/api-${at}`, resource: [resource] })),
      // The refreshes of a session wait for each other, on a busy machine for longer than by default.
      config: { refresh: { timeout: '60s', lockTtl: '150s' } },
    });
    await many.agent.signIn();
    for (let round = 0; round < 2; round += 1) {
      const responses = await Promise.all(resources.map((_, at) => many.agent.fetch(`/api-${at}/one`)));
      expect(responses.map(({ status }) => status)).toEqual(resources.map(() => 200));
      many.advance(LIFE);
    }
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(2 * resources.length);
  }, 150_000);

  it('counts the refreshes of all processes, and no first token of an audience', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const resource = ['https://api.example.test'];
    const provider = await startFakeProvider({ resources: resource });
    provider.accessTokenLifetime = 30;
    const other = await openTestGatewayForTest({
      provider,
      store: redis.url,
      routes: [{ path: '/own', resource }],
      config: { refresh: { maxPerMinute: 1 } },
    });
    other.stopClock();
    await other.agent.signIn();
    const statuses: number[] = [];
    for (const at of [other.gateway, other.gateway, await other.replica()]) {
      const agent = other.browser({ like: other.agent, at });
      statuses.push((await agent.fetch('/own/one')).status);
      other.advance(30_000);
    }
    expect(statuses).toEqual([200, 200, 503]);
  });
});
