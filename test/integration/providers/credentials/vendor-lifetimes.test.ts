import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EndpointRequest } from '../../../../testkit/providers/endpoint-server.ts';
import { extent } from '../../../../testkit/fuzz.ts';
import {
  type VendorFixture,
  openVendorFixture,
  postLogin,
} from '../../../../testkit/providers/vendor-fixture.ts';
import { type RedisServer, startRedis } from '../../../../testkit/redis/redis-server.ts';

const DAY_MS = 86_400_000;
let fixture: VendorFixture;
let redis: RedisServer | undefined;

afterEach(async () => {
  await fixture.close();
  await redis?.close();
  redis = undefined;
});

const refreshes = () => fixture.vendor.tokenCalls({ grant: 'refresh_token' });
const withoutLifetime = (response: Record<string, unknown>) => ({ ...response, tokenLifetime: undefined });

describe('a vendor token with a lifetime and an expiry timestamp', () => {
  it.each([
    ['a day ahead', DAY_MS],
    ['a day behind', -DAY_MS],
    ['set to the year 2100', Date.UTC(2100, 0) - Date.now()],
    ['right', 0],
  ])(
    'is refreshed by its lifetime on the gateway clock when the vendor clock is %s',
    async (_how, offsetMs) => {
      fixture = await openVendorFixture();
      fixture.vendor.clockOffsetMs = offsetMs;
      fixture.vendor.lifeSeconds = 1_000;
      const agent = fixture.browser();
      await postLogin(agent);
      for (let at = 0; at < 790; at += 79) {
        expect((await agent.fetch('/api/one')).status).toBe(200);
        fixture.advance(79_000);
      }
      expect(refreshes()).toBe(0);
      fixture.advance(211_000);
      expect((await agent.fetch('/api/one')).status).toBe(200);
      expect(refreshes()).toBe(1);
    },
  );
});

describe('a vendor token with only an expiry timestamp', () => {
  it.each([
    ['a day ahead', DAY_MS],
    ['a day behind', -DAY_MS],
    ['right', 0],
  ])('is refreshed at its expiry when the vendor clock is %s', async (_how, offsetMs) => {
    fixture = await openVendorFixture();
    fixture.vendor.clockOffsetMs = offsetMs;
    fixture.vendor.lifeSeconds = 1_000;
    fixture.vendor.patch = withoutLifetime;
    const agent = fixture.browser();
    await postLogin(agent);
    fixture.advance(700_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(0);
    fixture.advance(301_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it.each([
    ['seconds', (ms: number) => ms / 1000],
    ['milliseconds', (ms: number) => ms],
    ['seconds in a string', (ms: number) => String(ms / 1000)],
    [
      'a date string without a time zone, read as UTC',
      (ms: number) => new Date(ms).toISOString().replace('Z', ''),
    ],
  ])('is read with the timestamp written as %s', async (_how, write) => {
    fixture = await openVendorFixture();
    fixture.vendor.lifeSeconds = 1_000;
    fixture.vendor.patch = (response) => ({
      ...withoutLifetime(response),
      tokenExpiration: write(Date.parse(String(response['tokenExpiration']))),
    });
    const agent = fixture.browser();
    await postLogin(agent);
    fixture.advance(700_000);
    await agent.fetch('/api/one');
    expect(refreshes()).toBe(0);
    fixture.advance(301_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });
});

describe('a vendor token with neither a lifetime nor an expiry timestamp', () => {
  it('is refreshed once when the API rejects it, for all requests and replicas', async () => {
    redis = await startRedis();
    fixture = await openVendorFixture({ store: redis.url });
    fixture.vendor.lifeSeconds = 600;
    fixture.vendor.patch = (response) => ({ ...withoutLifetime(response), tokenExpiration: undefined });
    const agent = fixture.browser();
    await postLogin(agent);
    const elsewhere = fixture.browser(await fixture.replica());
    for (const { line } of agent.cookies.lines) elsewhere.setCookie(line);
    const callAll = async () => {
      const calls = [agent, elsewhere].flatMap((each) => [each.fetch('/api/one'), each.fetch('/api/two')]);
      return (await Promise.all(calls)).map(({ status }) => status);
    };
    fixture.advance(300_000);
    expect(await callAll()).toEqual([200, 200, 200, 200]);
    expect(refreshes()).toBe(0);
    fixture.advance(300_000);
    expect(await callAll()).toEqual([200, 200, 200, 200]);
    expect(refreshes()).toBe(1);
  });

  it('is refreshed in the background after an hour, while requests go on with it', async () => {
    fixture = await openVendorFixture({ config: { session: { idleTimeout: '2h' } } });
    fixture.vendor.lifeSeconds = 7_200;
    fixture.vendor.patch = (response) => ({ ...withoutLifetime(response), tokenExpiration: undefined });
    const agent = fixture.browser();
    await postLogin(agent);
    fixture.advance(3_500_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(0);
    fixture.advance(200_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    await expect.poll(refreshes).toBe(1);
  });
});

describe('a vendor refresh token with an expiry timestamp', () => {
  it.each([0, DAY_MS, -DAY_MS])(
    'ends the session at its expiry with the vendor clock off by %d ms (standards: A19)',
    async (offsetMs) => {
      fixture = await openVendorFixture();
      fixture.vendor.clockOffsetMs = offsetMs;
      fixture.vendor.refreshLifeSeconds = 900;
      const agent = fixture.browser();
      await postLogin(agent);
      const { expiresIn } = (await agent.fetch('/auth/session')).json() as { expiresIn: number };
      expect(expiresIn).toBeGreaterThan(890);
      expect(expiresIn).toBeLessThanOrEqual(900);
      fixture.advance(901_000);
      expect((await agent.fetch('/api/one')).status).toBe(401);
      expect(refreshes()).toBe(0);
    },
  );

  it('extends the session with the expiry of each new refresh token', async () => {
    fixture = await openVendorFixture();
    fixture.vendor.refreshLifeSeconds = 900;
    fixture.vendor.lifeSeconds = 600;
    const agent = fixture.browser();
    await postLogin(agent);
    for (let round = 0; round < 4; round += 1) {
      fixture.advance(700_000);
      expect((await agent.fetch('/api/one')).status).toBe(200);
    }
    expect(refreshes()).toBe(4);
  });
});

describe('a refresh at the vendor', () => {
  it('that returns the tokens of another user ends the session and no request uses the tokens', async () => {
    fixture = await openVendorFixture({ config: { provider: { response: { subject: '/user/id' } } } });
    const agent = fixture.browser();
    fixture.vendor.patch = (response) => ({ ...response, user: { id: 'user-alice' } });
    await postLogin(agent);
    fixture.vendor.patch = (response) => ({ ...response, user: { id: 'user-mallory' } });
    fixture.vendor.lifeSeconds = 600;
    fixture.advance(3_600_000 - 1);
    expect((await agent.fetch('/api/one')).status).toBe(401);
    expect(fixture.upstream.requests).toHaveLength(0);
  });

  it.each([
    [401, 'application/json', 401],
    [400, 'application/json', 401],
    [410, 'text/plain', 401],
    [403, 'application/json', 503],
    [403, 'text/plain', 503],
    [403, 'text/html', 503],
    [404, 'application/json', 503],
    [500, 'application/json', 503],
    [429, 'application/json', 503],
    [200, 'application/json', 503],
  ])('that returns status %d with type %s gives the call status %d', async (status, type, expected) => {
    fixture = await openVendorFixture({
      config: { refresh: { retries: 0 }, session: { idleTimeout: '12h' } },
    });
    const agent = fixture.browser();
    await postLogin(agent);
    fixture.vendor.server.fault = () => ({ status, headers: { 'content-type': type }, body: '{}' });
    fixture.advance(3_600_000);
    const response = await agent.fetch('/api/one');
    expect(response.status).toBe(expected);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: expected === 503 });
  });
});

describe('the provider keys of a vendor API', () => {
  it('provider.rejectionStatuses names the only statuses that end the session', async () => {
    fixture = await openVendorFixture({
      config: { refresh: { retries: 0 }, provider: { rejectionStatuses: [403] } },
    });
    fixture.vendor.lifeSeconds = 300;
    const agent = fixture.browser();
    await postLogin(agent);
    const headers = { 'content-type': 'application/json' };
    fixture.vendor.server.fault = () => ({ status: 401, headers, body: '{}' });
    fixture.advance(300_000);
    expect((await agent.fetch('/api/one')).status).toBe(503);
    fixture.vendor.server.fault = () => ({ status: 403, headers, body: '{}' });
    fixture.advance(60_000);
    expect((await agent.fetch('/api/one')).status).toBe(401);
  });

  it('provider.logout receives a sign-out once', async () => {
    const ended: unknown[] = [];
    const endpoints = {
      'POST /auth/logout': (request: EndpointRequest) => {
        ended.push(JSON.parse(request.body));
        return { status: 204 };
      },
    };
    fixture = await openVendorFixture({}, { endpoints }, (url) => ({
      logout: { url: `${url}/auth/logout`, body: { refreshToken: '{refreshToken}' } },
    }));
    const agent = fixture.browser();
    await postLogin(agent);
    const [{ token } = { token: '' }] = fixture.vendor.tokenLedger();
    expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    await vi.waitFor(() => expect(ended).toEqual([{ refreshToken: token }]), { timeout: 20_000 });
  });
});

describe('a vendor with any token lifetime and any clock', () => {
  const PER_MINUTE = 5;
  const lifetime = fc.oneof(
    fc.constantFrom<unknown>(
      0,
      -1,
      0.001,
      1,
      2,
      '3',
      3_600_000,
      1e300,
      -1e300,
      null,
      '',
      'soon',
      'NaN',
      [],
      {},
      true,
    ),
    fc.integer({ min: -10, max: 40 }),
  );
  const end = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, 'soon', '', 0, 1e15, '0001-01-01', '9999-12-31T23:59:59Z'),
    fc.integer({ min: -DAY_MS, max: DAY_MS }).map((ms) => new Date(Date.now() + ms).toISOString()),
  );

  it('causes at most refresh.maxPerMinute refreshes per session across replicas', async () => {
    redis = await startRedis();
    await fc.assert(
      fc.asyncProperty(
        lifetime,
        end,
        fc.integer({ min: -DAY_MS, max: DAY_MS }),
        async (life, ends, offsetMs) => {
          fixture = await openVendorFixture({
            store: redis?.url ?? '',
            config: {
              refresh: { maxPerMinute: PER_MINUTE },
              session: { keyPrefix: `coatcheck:${String(Math.abs(offsetMs))}:` },
            },
          });
          try {
            fixture.vendor.clockOffsetMs = offsetMs;
            fixture.vendor.lifeSeconds = 3;
            fixture.vendor.patch = (response) => ({
              ...response,
              tokenLifetime: life,
              tokenExpiration: ends,
            });
            const first = fixture.browser();
            expect((await postLogin(first)).status).toBe(204);
            const second = fixture.browser(await fixture.replica());
            for (const { line } of first.cookies.lines) second.setCookie(line);
            for (let elapsedMs = 0; elapsedMs < 90_000; elapsedMs += 1_500) {
              await Promise.all([first, second].map((agent) => agent.fetch('/api/one')));
              fixture.advance(1_500);
            }
            const times = fixture.vendor.server.requests
              .filter(({ path }) => path === '/auth/refresh')
              .map(({ atMs }) => atMs);
            for (const [at, time] of times.entries()) {
              const inMinute = times.slice(at).filter((later) => later < time + 60_000);
              expect(inMinute.length).toBeLessThanOrEqual(PER_MINUTE);
            }
          } finally {
            await fixture.close();
          }
        },
      ),
      { ...extent({ short: 3, long: 60 }), examples: [[1, undefined, 0]] },
    );
  }, 120_000);
});

it('a login to which a firewall responds with a page is no rejected password', async () => {
  fixture = await openVendorFixture();
  fixture.vendor.server.fault = () => ({
    status: 401,
    headers: { 'content-type': 'text/html' },
    body: '<h1>blocked</h1>',
  });
  expect((await postLogin(fixture.browser())).json()).not.toMatchObject({ code: 'credentials_rejected' });
});
