import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };
const CLEARED = 'coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict';

type Listed = { id: string; createdAt: string; lastSeenAt: string; expiresAt: string; current: boolean };

let redis: RedisServer;
let testGateway: TestGateway;
let replica: Awaited<ReturnType<TestGateway['replica']>>;

beforeAll(async () => {
  redis = await startRedis();
  testGateway = await openTestGateway({ store: redis.url });
  replica = await testGateway.replica();
});

afterEach(() => redis.command('FLUSHALL'));

afterAll(async () => {
  await testGateway.close();
  await redis.close();
});

/** A browser of a signed-in user. */
async function signedIn(name = 'alice', from = testGateway): Promise<UserAgent> {
  const agent = from.browser();
  await agent.signIn('/', { loginHint: name });
  return agent;
}

const listOf = async (agent: UserAgent) =>
  ((await agent.fetch('/auth/sessions')).json() as { sessions: Listed[] }).sessions;
const idOf = async (agent: UserAgent) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;
const statusOf = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const remove = (agent: UserAgent, path: string, headers = {}) =>
  agent.fetch(path, { method: 'DELETE', headers });

describe('GET /auth/sessions (standards: E19)', () => {
  it('lists the sessions of the user from the oldest to the newest and marks the current session', async () => {
    const phone = await signedIn();
    const laptop = await signedIn();
    await signedIn('bob');
    const response = await laptop.fetch('/auth/sessions');
    expect(response.status).toBe(200);
    expect(response.header('cache-control')).toBe('no-store');
    const { sessions } = response.json() as { sessions: Listed[] };
    expect(sessions).toEqual([
      {
        id: await idOf(phone),
        createdAt: expect.any(String),
        lastSeenAt: expect.any(String),
        expiresAt: expect.any(String),
        current: false,
      },
      expect.objectContaining({ id: await idOf(laptop), current: true }),
    ]);
    expect((await listOf(phone)).map(({ current }) => current)).toEqual([true, false]);
  });

  it('shows when each session began, was last used and expires', async () => {
    const other = await openTestGateway({ config: { session: { idleTimeout: '10m' } } });
    onTestFinished(() => other.close());
    other.stopClock();
    const agent = await signedIn('alice', other);
    const began = other.now();
    other.advance(200_000);
    await statusOf(agent);
    await vi.waitFor(async () => {
      const [listed] = await listOf(agent);
      expect(listed?.lastSeenAt).toBe(new Date(began + 200_000).toISOString());
    }, PATIENCE);
    other.advance(100_000);
    expect(await listOf(agent)).toEqual([
      {
        id: await idOf(agent),
        createdAt: new Date(began).toISOString(),
        lastSeenAt: new Date(began + 200_000).toISOString(),
        expiresAt: new Date(began + 800_000).toISOString(),
        current: true,
      },
    ]);
  });

  it('does not extend the session and shows no token', async () => {
    const other = await openTestGateway({ config: { session: { idleTimeout: '10m' } } });
    onTestFinished(() => other.close());
    const agent = await signedIn('alice', other);
    other.advance(500_000);
    const response = await agent.fetch('/auth/sessions');
    for (const secret of other.provider.secrets()) expect(response.text()).not.toContain(secret);
    other.advance(150_000);
    expect((await agent.fetch('/auth/sessions')).json()).toMatchObject({
      status: 401,
      code: 'session_expired',
    });
  });

  it('omits ended sessions', async () => {
    const agent = await signedIn();
    const gone = await signedIn();
    await gone.fetch('/auth/logout', { method: 'POST' });
    expect(await listOf(agent)).toHaveLength(1);
  });

  it('responds 401 without a session and clears an invalid cookie', async () => {
    const nobody = testGateway.browser();
    expect((await nobody.fetch('/auth/sessions')).json()).toMatchObject({
      status: 401,
      code: 'session_required',
    });
    nobody.setCookie('coatcheck=nonsense; Path=/');
    const response = await nobody.fetch('/auth/sessions');
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(response.setCookies).toEqual([CLEARED]);
  });
});

describe('a session ID in the list', () => {
  it('is the public session ID and opens no session (standards: E4)', async () => {
    const agent = await signedIn();
    const [listed] = await listOf(agent);
    expect(listed?.id).toBe(await idOf(agent));
    const thief = testGateway.browser();
    thief.setCookie(`coatcheck=${listed?.id}; Path=/`);
    expect(await statusOf(thief)).toBe(401);
    expect((await thief.fetch(`/api/one?sid=${listed?.id}`)).status).toBe(401);
    expect(testGateway.gateway.logs()).toContain(`"session":"${listed?.id}"`);
  });
});

describe('DELETE /auth/sessions/{id} (standards: E19)', () => {
  it('ends another session of the user on every replica and revokes its refresh token', async () => {
    const phone = await signedIn();
    const laptop = await signedIn();
    const elsewhere = testGateway.browser({ like: phone, at: replica });
    expect(await statusOf(elsewhere)).toBe(200);
    const response = await remove(laptop, `/auth/sessions/${await idOf(phone)}`);
    expect([response.status, response.text(), response.setCookies]).toEqual([204, '', []]);
    expect(await statusOf(phone)).toBe(401);
    await vi.waitFor(async () => expect(await statusOf(elsewhere)).toBe(401), PATIENCE);
    expect(await statusOf(laptop)).toBe(200);
    await vi.waitFor(
      () => expect(testGateway.provider.families.at(-2)).toMatchObject({ endedBecause: 'revoked' }),
      PATIENCE,
    );
  });

  it('clears the cookie when it ends the current session', async () => {
    const agent = await signedIn();
    const response = await remove(agent, `/auth/sessions/${await idOf(agent)}`);
    expect([response.status, response.setCookies]).toEqual([204, [CLEARED]]);
  });

  it('responds 404 for the session of another user, an ended session and an unknown ID', async () => {
    const bob = await signedIn('bob');
    const gone = await signedIn();
    const goneId = await idOf(gone);
    await gone.fetch('/auth/logout', { method: 'POST' });
    const agent = await signedIn();
    for (const id of [await idOf(bob), goneId, 'nonsense', 'x'.repeat(500), '__proto__']) {
      const response = await remove(agent, `/auth/sessions/${id}`);
      expect(response.json()).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await statusOf(bob)).toBe(200);
    expect(await statusOf(agent)).toBe(200);
  });
});

describe('DELETE /auth/sessions/{id} with a malformed encoding', () => {
  it.each(['%ff', '%', '%zz', '%c0%ae'])('responds 400 bad_request to %s', async (id) => {
    const response = await remove(await signedIn(), `/auth/sessions/${id}`);
    expect(response.json()).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('DELETE /auth/sessions (standards: E19)', () => {
  it('ends all other sessions of the user', async () => {
    const agent = await signedIn();
    const others = await Promise.all([signedIn(), signedIn()]);
    const bob = await signedIn('bob');
    expect((await remove(agent, '/auth/sessions')).status).toBe(204);
    for (const other of others) expect(await statusOf(other)).toBe(401);
    for (const kept of [agent, bob]) expect(await statusOf(kept)).toBe(200);
    expect(await listOf(agent)).toHaveLength(1);
  });
});

describe('a request to end sessions from another origin (standards: A10, D2)', () => {
  it.each([
    ['on another site', { 'sec-fetch-site': 'cross-site' }, 'csrf_rejected'],
    ['on a sibling host', { 'sec-fetch-site': 'same-site' }, 'csrf_rejected'],
    ['without fetch metadata', { 'sec-fetch-site': undefined, origin: undefined }, 'csrf_rejected'],
    ['on another origin', { origin: 'https://evil.example' }, 'origin_rejected'],
  ])('gets a 403 from a page %s', async (_what, headers, code) => {
    const agent = await signedIn();
    const other = await signedIn();
    for (const path of ['/auth/sessions', `/auth/sessions/${await idOf(other)}`]) {
      expect((await remove(agent, path, headers)).json()).toMatchObject({ status: 403, code });
    }
    expect(await statusOf(other)).toBe(200);
  });

  it('requires the CSRF header when csrf.mode is header', async () => {
    const other = await openTestGateway({ config: { csrf: { mode: 'header' } } });
    onTestFinished(() => other.close());
    const agent = await signedIn('alice', other);
    expect((await remove(agent, '/auth/sessions')).status).toBe(403);
    expect((await remove(agent, '/auth/sessions', { 'x-csrf': '1' })).status).toBe(204);
  });
});

describe('session.maxPerUser (standards: E18)', () => {
  const limited = (maxPerUser: number) => ({ config: { session: { maxPerUser } } });
  const openLimited = async (maxPerUser: number) => {
    const other = await openTestGateway({ store: redis.url, ...limited(maxPerUser) });
    onTestFinished(() => other.close());
    return other;
  };
  const endings = async ({ adminUrl }: { adminUrl: string }) => {
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    return Number(/sessions_ended_total\{reason="limit"\} (\d+)/.exec(metrics)?.[1] ?? 0);
  };

  it('ends the oldest session of a user beyond the limit and none of another user', async () => {
    const other = await openLimited(2);
    const bob = await signedIn('bob', other);
    const [oldest, second] = [await signedIn('alice', other), await signedIn('alice', other)];
    expect(await statusOf(oldest)).toBe(200);
    const third = await signedIn('alice', other);
    expect(await statusOf(oldest)).toBe(401);
    for (const kept of [second, third, bob]) expect(await statusOf(kept)).toBe(200);
    expect(await endings(other.gateway)).toBe(1);
    expect(await listOf(third)).toHaveLength(2);
  });

  it('does not count the session that a sign-in in the same browser replaces', async () => {
    const other = await openLimited(2);
    const phone = await signedIn('alice', other);
    const laptop = await signedIn('alice', other);
    await laptop.signIn('/', { loginHint: 'alice' });
    expect(await statusOf(phone)).toBe(200);
    expect(await statusOf(laptop)).toBe(200);
    expect(await endings(other.gateway)).toBe(0);
  });

  it('does not count sessions that have ended', async () => {
    const other = await openLimited(1);
    const first = await signedIn('alice', other);
    await first.fetch('/auth/logout', { method: 'POST' });
    await signedIn('alice', other);
    expect(await endings(other.gateway)).toBe(0);
  });

  it('holds for concurrent sign-ins at two processes and ends exactly the excess sessions (standards: E18)', async () => {
    const other = await openLimited(3);
    const at = [other.gateway, await other.replica()];
    const agents = Array.from({ length: 12 }, (_, index) =>
      other.browser({ at: at[index % 2] ?? other.gateway }),
    );
    await Promise.all(agents.map((agent) => agent.signIn('/', { loginHint: 'alice' })));
    const statuses = () => Promise.all(agents.map(statusOf));
    await vi.waitFor(async () => {
      expect((await statuses()).filter((status) => status === 200)).toHaveLength(3);
    }, PATIENCE);
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toHaveLength(3);
    const counts = await Promise.all(at.map(endings));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(9);
  });
});
