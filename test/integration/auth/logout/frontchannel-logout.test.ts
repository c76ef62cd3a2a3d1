import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startFakeProvider } from '../../../../testkit/fake-provider/fake-provider.ts';
import { type RedisServer, startRedis } from '../../../../testkit/redis/redis-server.ts';
import { type TestGateway, openTestGateway } from '../../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
let testGateway: TestGateway;
/** A signed-in browser and its session at the provider. */
let agent: UserAgent;
let sid: string;

beforeAll(async () => {
  redis = await startRedis();
  testGateway = await openTestGateway({ store: redis.url });
});

beforeEach(async () => {
  agent = testGateway.browser();
  await agent.signIn();
  sid = testGateway.provider.families.at(-1)?.grant.sid ?? '';
});

afterAll(async () => {
  await testGateway.close();
  await redis.close();
});

/** Requests the address like a frame in a page of the provider: cross-site and without a cookie. */
const frame = (parameters: Record<string, string> | string, from = testGateway.browser()) =>
  from.get(`/auth/frontchannel-logout?${new URLSearchParams(parameters)}`, {
    headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  });
const statusOf = async (browser: UserAgent) => (await browser.fetch('/api/one')).status;

describe('GET /auth/frontchannel-logout (rp-frontchannel-rpinitlogout, rp-frontchannel-opinitlogout)', () => {
  it('ends the session named by iss and sid without its cookie (standards: D22)', async () => {
    const other = testGateway.browser();
    await other.signIn();
    const response = await frame({ iss: testGateway.provider.issuer, sid });
    expect(response.status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
    expect(await statusOf(other)).toBe(200);
    await vi.waitFor(
      () =>
        expect(testGateway.provider.families.find(({ grant }) => grant.sid === sid)).toMatchObject({
          endedBecause: 'revoked',
        }),
      PATIENCE,
    );
  });

  it('ends a session whose sid must be percent-encoded (standards: D22)', async () => {
    const odd = `a#^ ,("&+%=))'_/?;${sid}`;
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, sid: odd });
    onTestFinished(() => void (testGateway.provider.patchIdToken = undefined));
    const other = testGateway.browser();
    await other.signIn();
    expect((await frame({ iss: testGateway.provider.issuer, sid: odd })).status).toBe(200);
    expect(await statusOf(other)).toBe(401);
    expect(await statusOf(agent)).toBe(200);
  });

  it('ends the session on every replica (standards: D22)', async () => {
    const elsewhere = testGateway.browser({ like: agent, at: await testGateway.replica() });
    expect(await statusOf(elsewhere)).toBe(200);
    await frame({ iss: testGateway.provider.issuer, sid });
    await vi.waitFor(async () => expect(await statusOf(elsewhere)).toBe(401), PATIENCE);
  });

  it.each<[string, () => string]>([
    ['no parameters', () => ''],
    ['only a sid', () => `sid=${sid}`],
    ['only an iss', () => `iss=${encodeURIComponent(testGateway.provider.issuer)}`],
    ['another iss', () => `iss=https://evil.example&sid=${sid}`],
    [
      'an iss with an additional slash',
      () => `iss=${encodeURIComponent(`${testGateway.provider.issuer}/`)}&sid=${sid}`,
    ],
    ['another sid', () => `iss=${encodeURIComponent(testGateway.provider.issuer)}&sid=other`],
    ['an empty sid', () => `iss=${encodeURIComponent(testGateway.provider.issuer)}&sid=`],
    [
      'two sid parameters',
      () => `iss=${encodeURIComponent(testGateway.provider.issuer)}&sid=${sid}&sid=${sid}`,
    ],
    ['two iss parameters', () => `iss=${encodeURIComponent(testGateway.provider.issuer)}&iss=x&sid=${sid}`],
    ['the subject as sid', () => `iss=${encodeURIComponent(testGateway.provider.issuer)}&sid=alice`],
  ])(
    'ends nothing with %s and gives the same response with or without a cookie (standards: D22)',
    async (_what, query) => {
      const effective = await frame({ iss: testGateway.provider.issuer, sid: 'nobody' });
      for (const from of [testGateway.browser(), agent]) {
        const response = await frame(query(), from);
        expect([response.status, response.text(), response.setCookies]).toEqual([200, '', []]);
        expect(response.header('content-security-policy')).toBe(effective.header('content-security-policy'));
      }
      expect(await statusOf(agent)).toBe(200);
    },
  );

  it('serves an empty document that only the provider may frame and no cache stores (standards: D22)', async () => {
    const response = await frame({ iss: testGateway.provider.issuer, sid });
    expect(response.header('content-security-policy')).toBe(
      `default-src 'none';frame-ancestors ${testGateway.provider.issuer}`,
    );
    expect(response.header('x-frame-options')).toBeUndefined();
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.header('x-content-type-options')).toBe('nosniff');
    const usual = await testGateway.browser().get('/auth/session');
    expect(usual.header('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(usual.header('x-frame-options')).toBe('DENY');
  });

  it('allows framing by a logout page on another host as well (standards: D22)', async () => {
    const provider = await startFakeProvider();
    provider.metadata['end_session_endpoint'] = `http://localhost:${provider.port}/end_session`;
    const other = await openTestGateway({ provider });
    onTestFinished(() => other.close());
    await other.agent.signIn();
    expect((await frame('', other.agent)).header('content-security-policy')).toBe(
      `default-src 'none';frame-ancestors ${provider.issuer} http://localhost:${provider.port}`,
    );
  });

  it('rejects other methods with 405', async () => {
    const response = await testGateway
      .browser()
      .post('/auth/frontchannel-logout', { headers: { 'x-csrf': '1' } });
    expect([response.status, response.header('allow')]).toEqual([405, 'GET, HEAD']);
  });
});
