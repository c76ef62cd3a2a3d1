import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 5 };
const CLEARED = 'coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.close());

describe.each([
  ['in memory', () => 'memory:'],
  ['in Redis', () => redis.url],
])('a session %s', (_where, store) => {
  let testGateway: TestGateway;

  beforeEach(async () => {
    testGateway = await open();
    await testGateway.agent.signIn();
  });

  afterEach(() => testGateway.close());

  /** Opens a gateway with a stopped clock, long-lived access tokens and no read cache. */
  async function open(session: Record<string, unknown> = {}): Promise<TestGateway> {
    const opened = await openTestGateway({
      store: store(),
      config: { session: { cache: { maxAge: '0s' }, ...session } },
    });
    opened.stopClock();
    opened.provider.accessTokenLifetime = 7 * 24 * 3_600;
    return opened;
  }

  async function reopen(session: Record<string, unknown>): Promise<void> {
    await testGateway.close();
    testGateway = await open(session);
    await testGateway.agent.signIn();
  }

  const session = async () =>
    (await testGateway.agent.fetch('/auth/session')).json() as Record<string, number>;
  const call = async (path = '/api/one') => (await testGateway.agent.fetch(path)).status;
  /** Makes a call and waits until it has extended the idle limit, which happens after the response. */
  const use = async (path?: string) => {
    expect(await call(path)).toBe(200);
    await vi.waitFor(async () => {
      const { expiresIn = 0, idleExpiresIn } = await session();
      expect(idleExpiresIn).toBeGreaterThanOrEqual(Math.min(expiresIn, idleTimeoutSeconds()));
    }, POLLING);
  };
  const idleTimeoutSeconds = () => testGateway.gateway.config.session.idleTimeout / 1000;
  const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });

  it('ends after half an hour of inactivity by default (standards: E7)', async () => {
    testGateway.advance(30 * MINUTE - 1);
    await use();
    testGateway.advance(30 * MINUTE - 1);
    await use();
    testGateway.advance(30 * MINUTE);
    expect(await call()).toBe(401);
  });

  describe('whose ID token has a session_expiry', () => {
    const saying = (aheadMs: number | undefined) => {
      testGateway.provider.patchIdToken = (claims) =>
        aheadMs === undefined ? claims : { ...claims, session_expiry: (testGateway.now() + aheadMs) / 1000 };
    };

    it('ends at that time regardless of activity (standards: D23)', async () => {
      saying(20 * MINUTE);
      await testGateway.agent.signIn();
      testGateway.advance(19 * MINUTE);
      expect(await call()).toBe(200);
      expect((await session())['expiresIn']).toBe(MINUTE / 1000);
      testGateway.advance(MINUTE);
      expect(await call()).toBe(401);
    });

    it('still ends at its own limits when that time is later (standards: D23)', async () => {
      saying(100 * HOUR);
      await testGateway.agent.signIn();
      expect((await session())['expiresIn']).toBe((12 * HOUR) / 1000);
    });

    it('does not start when that time has passed and its tokens are revoked (standards: D23)', async () => {
      saying(-1);
      const agent = testGateway.browser();
      await expect(agent.signIn()).rejects.toThrow('auth_error=refused');
      expect(testGateway.gateway.logs()).toContain('session_expiry');
      expect(agent.cookies.all()).toEqual([]);
      await vi.waitFor(
        () => expect(testGateway.provider.families.at(-1)).toMatchObject({ endedBecause: 'revoked' }),
        POLLING,
      );
    });

    it('ends earlier when a refresh returns an earlier time and never later (standards: D23)', async () => {
      testGateway.provider.accessTokenLifetime = 300;
      saying(25 * MINUTE);
      await testGateway.agent.signIn();
      testGateway.advance(6 * MINUTE);
      saying(10 * MINUTE);
      expect(await call()).toBe(200);
      expect((await session())['expiresIn']).toBe(600);
      testGateway.advance(6 * MINUTE);
      saying(100 * HOUR);
      expect(await call()).toBe(200);
      expect((await session())['expiresIn']).toBe(13 * 60);
    });
  });

  it('gets 401 without a provider call after the idle limit although its tokens are valid (standards: G23)', async () => {
    testGateway.advance(30 * MINUTE);
    const before = testGateway.provider.tokenCalls();
    const replayed = testGateway.browser({ like: testGateway.agent });
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.status).toBe(401);
    expect(response.json()).toMatchObject({ code: 'session_expired', loginUrl: '/auth/login' });
    expect(response.setCookies).toEqual([CLEARED]);
    expect(testGateway.agent.cookies.all()).toEqual([]);
    expect(testGateway.upstream.requests).toEqual([]);
    expect(testGateway.provider.tokenCalls()).toBe(before);
    expect((await replayed.fetch('/api/one')).status).toBe(401);
    expect((await replayed.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('is reported as ended by the session endpoint, which clears the cookie', async () => {
    testGateway.advance(30 * MINUTE);
    const response = await testGateway.agent.fetch('/auth/session');
    expect(response.json()).toEqual({ authenticated: false, loginUrl: '/auth/login' });
    expect(response.setCookies).toEqual([CLEARED]);
  });

  it('is not kept alive by requests to the session endpoint', async () => {
    for (let asked = 0; asked < 6; asked += 1) {
      testGateway.advance(5 * MINUTE - 1);
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    }
    testGateway.advance(6);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(await call()).toBe(401);
  });

  it('is not kept alive by calls without a token', async () => {
    testGateway.advance(29 * MINUTE);
    expect(await call('/public/one')).toBe(401); // The upstream's response to a call without a token.
    testGateway.advance(2 * MINUTE);
    expect(await call()).toBe(401);
  });

  it('is kept alive by calls to an optional route', async () => {
    testGateway.advance(29 * MINUTE);
    await use('/optional/one');
    testGateway.advance(29 * MINUTE);
    await use();
  });

  it('ends twelve hours after the login by default regardless of activity (standards: E8)', async () => {
    for (let elapsed = 0; elapsed < 12 * HOUR - 20 * MINUTE; elapsed += 20 * MINUTE) {
      testGateway.advance(20 * MINUTE);
      await use();
    }
    testGateway.advance(20 * MINUTE);
    expect(await call()).toBe(401);
  });

  it('is not extended beyond the absolute limit by a refresh or a touch (standards: E8)', async () => {
    await reopen({ idleTimeout: '1h', absoluteTimeout: '1h' });
    testGateway.advance(HOUR - MINUTE);
    for (const { token } of testGateway.provider.families[0]?.accessTokens ?? [])
      testGateway.provider.revokeAccessToken(token);
    await use();
    expect(refreshes()).toBe(1);
    const { expiresIn, idleExpiresIn } = await session();
    expect(expiresIn).toBeLessThanOrEqual(60);
    expect(idleExpiresIn).toBeLessThanOrEqual(60);
    testGateway.advance(MINUTE);
    expect(await call()).toBe(401);
  });

  it('uses the configured limits', async () => {
    await reopen({ idleTimeout: '2m', absoluteTimeout: '5m' });
    testGateway.advance(119_999);
    await use();
    testGateway.advance(119_999);
    await use();
    testGateway.advance(60_002);
    expect(await call()).toBe(401);
  });

  it('ends with the lifetime of its refresh token when the provider announces it (standards: A19, G20)', async () => {
    await testGateway.close();
    testGateway = await open();
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_expires_in: 60 });
    await testGateway.agent.signIn();
    const { expiresIn } = await session();
    expect(expiresIn).toBeLessThanOrEqual(60);
    testGateway.advance(19_000);
    await use();
    testGateway.advance(41_000);
    expect(await call()).toBe(401);
    expect(refreshes()).toBe(0);
  });

  /** Signs in with tokens whose refresh token ends before the access token. */
  async function signInWithShorterRefreshToken(): Promise<void> {
    await testGateway.close();
    testGateway = await open();
    testGateway.provider.patchTokenResponse = (json) => ({
      ...json,
      expires_in: 120,
      refresh_expires_in: 60,
    });
    await testGateway.agent.signIn();
  }

  it.each([15_000, 20_000, 30_000, 45_000])(
    'is refreshed ahead of an earlier expiry of its refresh token when it is used every %d ms',
    async (everyMs) => {
      await signInWithShorterRefreshToken();
      for (let passedMs = 0; passedMs < 300_000; passedMs += everyMs) {
        testGateway.advance(everyMs);
        await use();
        // After a third of the lifetime, a refresh in the background renews it before time goes on.
        await expect.poll(async () => (await session()).expiresIn, POLLING).toBeGreaterThan(39);
      }
      expect(refreshes()).toBeGreaterThan(4);
    },
  );

  it('is refreshed ahead of the expiry of its refresh token when that is earlier than the expiry of the access token (standards: A19, G20)', async () => {
    await signInWithShorterRefreshToken();
    for (let refresh = 1; refresh <= 5; refresh += 1) {
      testGateway.advance(50_000);
      await use();
      await expect.poll(refreshes, POLLING).toBe(refresh);
      // The new tokens are written.
      await expect.poll(async () => (await session()).expiresIn, POLLING).toBeGreaterThan(50);
    }
    expect(testGateway.provider.families.map(({ alive }) => alive)).toEqual([true]);
  });

  it('reports an expiresIn that follows a refresh token with a later expiry, up to the absolute limit', async () => {
    await testGateway.close();
    testGateway = await open({ idleTimeout: '2h', absoluteTimeout: '2h' });
    testGateway.provider.accessTokenLifetime = 300;
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_expires_in: 3_600 });
    await testGateway.agent.signIn();
    expect(await session()).toMatchObject({ expiresIn: 3_600, idleExpiresIn: 3_600 });
    testGateway.advance(50 * MINUTE);
    expect(await session()).toMatchObject({ expiresIn: 600, idleExpiresIn: 600 });
    expect(await call()).toBe(200);
    expect(await session()).toMatchObject({ expiresIn: 3_600, idleExpiresIn: 3_600 });
    testGateway.advance(50 * MINUTE);
    expect(await call()).toBe(200);
    expect(refreshes()).toBe(2);
    expect(await session()).toMatchObject({ expiresIn: 20 * 60, idleExpiresIn: 20 * 60 });
  });

  it('ends with the access token without a refresh token, and reports that end as expiresIn', async () => {
    await testGateway.close();
    testGateway = await open();
    testGateway.provider.accessTokenLifetime = 300;
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    await testGateway.agent.signIn();
    testGateway.stopClock();
    testGateway.advance(6 * MINUTE);
    expect(await session()).toMatchObject({ expiresIn: 0, idleExpiresIn: 0 });
    expect(await call()).toBe(401);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it.each([
    ['refresh_expires_in', 0],
    ['refresh_expires_in', -1],
    ['refresh_expires_in', 'never'],
    ['refresh_token_expires_in', null],
    ['refresh_token_expires_in', 1e12],
  ])('keeps its usual limits when %s is %j (standards: G20)', async (name, value) => {
    await testGateway.close();
    testGateway = await open();
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, [name]: value });
    await testGateway.agent.signIn();
    testGateway.advance(29 * MINUTE);
    await use();
    const { expiresIn } = await session();
    expect(expiresIn).toBeLessThanOrEqual(12 * 3_600);
    expect(expiresIn).toBeGreaterThan(11 * 3_600);
  });
});
