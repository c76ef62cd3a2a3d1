import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Rotation } from '../../../testkit/fake-provider/settings.ts';
import type { RunningGateway } from '../../../testkit/gateway/gateway.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;
/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let testGateway: TestGateway;

/** Opens the test gateway of a test; its clock stands still. */
async function openSignedOut(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const opened = await openTestGatewayForTest(options);
  opened.stopClock();
  return opened;
}

/** Opens the test gateway of a test, with a signed-in user. */
async function open(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const opened = await openSignedOut(options);
  await opened.agent.signIn();
  return opened;
}

/** Opens a test gateway on a Redis of its own. */
async function openOnRedis(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return open({ store: redis.url, ...options });
}

const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
const bearers = () => testGateway.upstream.requests.map(({ bearer }) => bearer);
const call = async (path = '/api/one') => (await testGateway.agent.fetch(path)).status;
const calls = (count: number) => Promise.all(Array.from({ length: count }, (_, at) => call(`/api/${at}`)));
const times = <Value>(count: number, value: Value): Value[] => Array<Value>(count).fill(value);
/** The access tokens of the only sign-in, in the order of issue. */
const issued = () => testGateway.provider.families[0]?.accessTokens.map(({ token }) => token) ?? [];

async function metric(line: string, { adminUrl }: RunningGateway = testGateway.gateway): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(`coatcheck_${line} `))
      ?.split(' ')[1] ?? 0,
  );
}

describe('an access token close to expiry', () => {
  it('is used while a background refresh runs so that no request waits', async () => {
    testGateway = await open();
    testGateway.advance(LIFE * 0.85);
    const gate = testGateway.provider.faults.hold('token');
    expect(await calls(20)).toEqual(times(20, 200));
    await gate.waiting();
    expect(new Set(bearers())).toEqual(new Set([issued()[0]]));

    gate.release();
    await vi.waitFor(async () => {
      expect(await call()).toBe(200);
      expect(bearers().at(-1)).toBe(issued()[1]);
    }, PATIENCE);
    expect(refreshes()).toBe(1);
  });

  it.each([
    ['a fifth of its lifetime by default', undefined, 0.79, 0.81],
    ['the configured share', '50%', 0.49, 0.51],
    ['the configured duration', '30s', 0.89, 0.91],
    ['at most half of its lifetime', '10m', 0.49, 0.51],
  ])('is refreshed ahead by %s', async (_what, ahead, before, after) => {
    testGateway = await open(ahead === undefined ? {} : { config: { refresh: { ahead } } });
    testGateway.advance(LIFE * before);
    expect(await call()).toBe(200);
    testGateway.advance(LIFE * (after - before));
    expect(refreshes()).toBe(0);
    expect(await call()).toBe(200);
    await vi.waitFor(() => expect(refreshes()).toBe(1), PATIENCE);
  });

  it('stays in use when its refresh fails', async () => {
    testGateway = await open();
    testGateway.provider.faults.token = { status: 500 };
    testGateway.advance(LIFE * 0.85);
    expect(await call()).toBe(200);
    await vi.waitFor(async () => expect(await metric('refresh_total{outcome="kept"}')).toBe(1), PATIENCE);
    expect(await calls(10)).toEqual(times(10, 200));
    expect(new Set(bearers())).toEqual(new Set(issued()));
  });

  it('is not refreshed without calls (standards: G22)', async () => {
    testGateway = await open();
    testGateway.advance(LIFE * 5);
    await testGateway.agent.fetch('/auth/session');
    await testGateway.agent.fetch('/public/one');
    expect(refreshes()).toBe(0);
  });
});

describe('an expired access token', () => {
  beforeEach(async () => {
    testGateway = await open();
  });

  it('is refreshed once for all waiting requests (standards: G6)', async () => {
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token');
    const responses = calls(50);
    await gate.waiting();
    await vi.waitFor(async () => expect(await metric('refresh_total{outcome="joined"}')).toBe(49), PATIENCE);
    expect(testGateway.upstream.requests).toEqual([]);
    gate.release();
    expect(await responses).toEqual(times(50, 200));
    expect(refreshes()).toBe(1);
    expect(bearers()).toEqual(times(50, issued()[1]));
    expect(await metric('refresh_total{outcome="refreshed"}')).toBe(1);
  });

  it('is refreshed with the parameters of RFC 6749 and without a scope (standards: G1, G3)', async () => {
    testGateway.advance(LIFE);
    expect(await call()).toBe(200);
    const asked = testGateway.provider.requests.filter(({ endpoint }) => endpoint === 'token').at(-1);
    expect(asked?.form).toEqual({
      grant_type: 'refresh_token',
      refresh_token: testGateway.provider.tokenLedger()[0]?.token,
    });
    expect(asked?.authorization).toMatch(/^Basic /);
    expect(asked?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
  });

  it('is refreshed for the other requests when one waiting client disconnects (standards: G24)', async () => {
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token');
    const leaving = new AbortController();
    const gone = testGateway.agent.fetch('/api/gone', { signal: leaving.signal });
    await gate.waiting();
    const staying = calls(5);
    leaving.abort();
    await expect(gone).rejects.toThrow(/abort/);
    gate.release();
    expect(await staying).toEqual(times(5, 200));
    expect(refreshes()).toBe(1);
    expect(testGateway.upstream.requests.map(({ target }) => target)).not.toContain('/api/gone');
  });

  it('is refreshed once when the API rejects it while a background refresh is due', async () => {
    testGateway.advance(LIFE * 0.85);
    testGateway.provider.revokeAccessToken(issued()[0] ?? '');
    expect(await calls(20)).toEqual(times(20, 200));
    expect(refreshes()).toBe(1);
  });

  it('is replaced by a token of the same user when many are refreshed at once (standards: G25)', async () => {
    const people = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const agent = testGateway.browser();
        await agent.signIn('/', { loginHint: `person-${at}` });
        return { agent, name: `person-${at}` };
      }),
    );
    for (let round = 0; round < 3; round += 1) {
      testGateway.advance(LIFE);
      await Promise.all(
        people.flatMap(({ agent, name }) => times(4, name).map(() => agent.fetch(`/api/${name}`))),
      );
    }
    const served = testGateway.upstream.requests.map(({ target, bearer = '' }) => [
      target,
      `/api/${decodeJwt(bearer).sub}`,
    ]);
    expect(served).toHaveLength(12 * 3 * 4);
    expect(served.filter(([asked, got]) => asked !== got)).toEqual([]);
    expect(refreshes()).toBe(12 * 3);
  });
});

describe('a refresh token (standards: G2)', () => {
  it.each<[string, Rotation, Record<string, unknown>, number]>([
    ['is kept when the response has none', 'off', {}, 1],
    ['is kept when the response has an empty one', 'off', { refresh_token: '' }, 1],
    ['is kept when the response has null', 'off', { refresh_token: null }, 1],
    ['is kept when the response repeats it', 'same', {}, 1],
    ['is replaced when the response has another', 'new', {}, 21],
    ['is replaced and never used again when it allows one use', 'strict', {}, 21],
  ])('%s over twenty refreshes', async (_what, rotate, patch, tokens) => {
    testGateway = await open();
    testGateway.provider.rotate = rotate;
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, ...patch });
    for (let cycle = 0; cycle < 20; cycle += 1) {
      testGateway.advance(LIFE);
      expect(await call()).toBe(200);
    }
    expect(bearers()).toEqual(issued().slice(1));
    expect(new Set(bearers()).size).toBe(20);
    const tokenLedger = testGateway.provider.tokenLedger();
    expect(tokenLedger.map(({ presented, reuses, familyAlive }) => [presented, reuses, familyAlive])).toEqual(
      tokens === 1 ? [[20, 0, true]] : [...times(20, [1, 0, true]), [0, 0, true]],
    );
  });

  it('that is missing at sign-in makes the session end with its access token', async () => {
    testGateway = await openSignedOut();
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    await testGateway.agent.signIn();
    expect(await call()).toBe(200);
    testGateway.advance(LIFE * 0.9);
    expect(await call()).toBe(200);
    testGateway.advance(LIFE * 0.1);
    const response = await testGateway.agent.fetch('/api/two');
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(response.setCookies).toHaveLength(1);
    expect(refreshes()).toBe(0);
  });
});

describe('the lifetime of an access token', () => {
  beforeEach(async () => {
    testGateway = await openSignedOut();
  });

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['0', 0],
    ['negative', -300],
    ['a string that is not a number', 'soon'],
    ['an empty string', ''],
    ['a list', [300]],
  ])(
    'is unknown when expires_in is %s and a 401 causes one refresh (standards: G4)',
    async (_what, value) => {
      testGateway.provider.patchTokenResponse = (json) => ({ ...json, expires_in: value });
      await testGateway.agent.signIn();
      expect(await calls(10)).toEqual(times(10, 200));
      testGateway.advance(LIFE * 2);
      expect(await calls(10)).toEqual(times(10, 200));
      expect(refreshes()).toBe(0);

      testGateway.provider.revokeAccessToken(issued()[0] ?? '');
      expect(await calls(10)).toEqual(times(10, 200));
      expect(refreshes()).toBe(1);
      expect(await calls(10)).toEqual(times(10, 200));
      expect(refreshes()).toBe(1);
    },
  );

  it.each<[string, unknown]>([
    ['a numeric string', '300'],
    ['a fraction', 300.9],
  ])('is read when expires_in is %s (standards: G4)', async (_what, value) => {
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, expires_in: value });
    await testGateway.agent.signIn();
    testGateway.advance(LIFE * 0.7);
    expect(await call()).toBe(200);
    expect(refreshes()).toBe(0);
    testGateway.advance(LIFE * 0.31);
    expect(await call()).toBe(200);
    expect(refreshes()).toBe(1);
    expect(bearers()).toEqual(issued());
  });

  it('is long when expires_in is very large and no timer overflows', async () => {
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, expires_in: 1e300 });
    await testGateway.agent.signIn();
    testGateway.advance(25 * 60_000);
    expect(await calls(10)).toEqual(times(10, 200));
    expect(refreshes()).toBe(0);
  });

  it('can be one second', async () => {
    testGateway.provider.accessTokenLifetime = 1;
    await testGateway.agent.signIn();
    testGateway.provider.accessTokenLifetime = 300;
    testGateway.advance(2_000);
    expect(await calls(10)).toEqual(times(10, 200));
    expect(refreshes()).toBe(1);
  });

  it.each([
    ['ahead', 3_600_000],
    ['behind', -3_600_000],
  ])(
    'is measured on the gateway clock when the provider clock is an hour %s (standards: G5)',
    async (_what, offset) => {
      await testGateway.agent.signIn();
      testGateway.provider.clockOffsetMs = offset;
      testGateway.advance(LIFE);
      expect(await calls(5)).toEqual(times(5, 200));
      testGateway.advance(LIFE * 0.7);
      expect(await calls(5)).toEqual(times(5, 200));
      expect(refreshes()).toBe(1);
    },
  );

  it('is that of the new token after a scope reduction and a 403 is passed on without a refresh (standards: G3)', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, scope: 'openid' });
    testGateway.advance(LIFE);
    testGateway.upstream.respond(
      status(403, { 'www-authenticate': 'Bearer error="insufficient_scope"' }, 'no'),
    );
    for (let each = 0; each < 5; each += 1) {
      const response = await testGateway.agent.fetch('/api/one');
      expect([response.status, response.text()]).toEqual([403, 'no']);
    }
    expect(refreshes()).toBe(1);
  });
});

describe('the ID token of a refresh (standards: C20, G21)', () => {
  beforeEach(async () => {
    testGateway = await open();
    testGateway.advance(LIFE);
  });

  it.each<[string, Record<string, unknown>]>([
    ['is for another user', { sub: 'mallory' }],
    ['is from another issuer', { iss: 'https://other.example' }],
    ['is for another client', { aud: 'other' }],
  ])('ends the session when it %s and its access token is never used', async (_what, claims) => {
    testGateway.provider.patchIdToken = (given) => ({ ...given, ...claims });
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(response.setCookies).toHaveLength(1);
    expect(testGateway.upstream.requests).toEqual([]);
    await vi.waitFor(
      () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
      PATIENCE,
    );
    const revoked = testGateway.provider.requests.filter(({ endpoint }) => endpoint === 'revoke');
    expect(revoked.map(({ form }) => form?.['token'])).toContain(
      testGateway.provider.tokenLedger()[1]?.token,
    );
    expect(await metric('sessions_ended_total{reason="identity_changed"}')).toBe(1);
  });

  it.each(['none', 'HS256', 'other-key'] as const)(
    'changes no claims when it is signed with %s, and the new tokens are used',
    async (how) => {
      testGateway.provider.signWith(how);
      testGateway.provider.patchIdToken = (claims) => ({ ...claims, name: 'Somebody Else' });
      expect(await call()).toBe(200);
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({
        claims: { name: 'Alice Example' },
      });
      expect(testGateway.provider.tokenLedger()).toMatchObject([{ spent: 1 }, { familyAlive: true }]);
    },
  );

  it.each(['none', 'HS256', 'other-key'] as const)(
    'ends the session when it is signed with %s and for another user',
    async (how) => {
      testGateway.provider.signWith(how);
      testGateway.provider.patchIdToken = (claims) => ({ ...claims, sub: 'mallory' });
      expect((await testGateway.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
      expect(testGateway.upstream.requests).toEqual([]);
    },
  );

  it.each<[string, Record<string, unknown>]>([
    ['is for another user', { sub: 'mallory' }],
    ['is from another issuer', { iss: 'https://other.example' }],
    ['is for another client', { aud: 'other' }],
  ])('ends the session when it %s even while the JWKS is unavailable', async (_what, claims) => {
    await testGateway.provider.swapKeys();
    testGateway.provider.patchIdToken = (given) => ({ ...given, ...claims });
    testGateway.provider.faults.jwks = { status: 503 };
    expect((await testGateway.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('is optional', async () => {
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, id_token: undefined });
    expect(await call()).toBe(200);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Example' },
    });
  });

  it('is ignored while the JWKS is unavailable and the new tokens are used', async () => {
    await testGateway.provider.swapKeys();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, name: 'Somebody Else' });
    testGateway.provider.faults.jwks = { status: 503 };
    expect(await call()).toBe(200);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Example' },
    });
    expect(testGateway.provider.tokenLedger()).toMatchObject([{ spent: 1 }, { spent: 0, familyAlive: true }]);
  });
});

describe('a logout during a refresh (standards: G14)', () => {
  it.each([
    ['in memory', () => open()],
    ['in Redis', () => openOnRedis()],
  ])('ends a session %s for good and revokes the new tokens', async (_where, start) => {
    testGateway = await start();
    testGateway.advance(LIFE);
    const gate = testGateway.provider.faults.hold('token', 'after');
    const waiting = testGateway.agent.fetch('/api/one');
    await gate.waiting();
    const tab = testGateway.browser({ like: testGateway.agent });
    expect((await tab.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    const replayed = testGateway.browser({ like: testGateway.agent });
    gate.release();

    const response = await waiting;
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(testGateway.upstream.requests).toEqual([]);
    const revoked = () =>
      testGateway.provider.requests
        .filter(({ endpoint }) => endpoint === 'revoke')
        .map(({ form }) => form?.['token']);
    const [oldToken, newToken] = testGateway.provider.tokenLedger().map(({ token }) => token);
    await vi.waitFor(() => expect(revoked()).toEqual([oldToken, newToken]), PATIENCE);
    expect((await replayed.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect((await replayed.fetch('/api/two')).status).toBe(401);
  });
});

describe('two gateways on one Redis', () => {
  it('refresh a token once for a hundred requests at both (standards: G6, G7)', async () => {
    testGateway = await openOnRedis();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    expect((await elsewhere.fetch('/api/warm')).status).toBe(200);
    expect(await call('/api/warm')).toBe(200);

    for (let round = 1; round <= 3; round += 1) {
      testGateway.upstream.requests.length = 0;
      testGateway.advance(LIFE);
      const agents = times(50, [testGateway.agent, elsewhere]).flat();
      const responses = await Promise.all(agents.map((agent, at) => agent.fetch(`/api/${at}`)));
      expect(responses.map((response) => response.status)).toEqual(times(100, 200));
      expect(refreshes()).toBe(round);
      expect(bearers()).toEqual(times(100, issued()[round]));
    }
    expect(testGateway.provider.tokenLedger()).toMatchObject([
      ...times(3, { spent: 1, reuses: 0 }),
      { spent: 0 },
    ]);
    const reused = (gateway: RunningGateway) => metric('refresh_total{outcome="reused"}', gateway);
    expect((await reused(testGateway.gateway)) + (await reused(replica))).toBe(3);
  });

  it('share the result of a refresh that one completes while it closes (standards: G18)', async () => {
    testGateway = await openOnRedis();
    const replica = await testGateway.replica();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    testGateway.advance(LIFE * 0.85);
    const gate = testGateway.provider.faults.hold('token', 'after');
    expect(await call()).toBe(200);
    await gate.waiting();
    const closed = testGateway.gateway.gateway.close();
    gate.release();
    await closed;
    testGateway.advance(LIFE * 0.15);
    expect((await elsewhere.fetch('/api/two')).status).toBe(200);
    expect(bearers()).toEqual(issued());
    expect(refreshes()).toBe(1);
  });
});
