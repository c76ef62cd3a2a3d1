import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { startRedis, type RedisServer } from '../../../testkit/redis/redis-server.ts';
import { openTestGateway, type TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { openStoreAt } from '../redis/open-store.ts';
import { sampleData } from './sample.ts';

const TOKEN = 'canary-admin-token.of_these~tests';
const MANY = 2_000;
/** Enough that ending them takes longer than a few requests. */
const MANY_TO_END = 500;

type Page = { sessions: { id: string; createdAt: string; current?: boolean }[]; next?: string };

let redis: RedisServer;
let testGateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await testGateway.close();
  await redis.command('FLUSHALL');
});
afterAll(() => redis.close());

const open = async (config: Record<string, unknown> = {}) => {
  testGateway = await openTestGateway({ store: redis.url, config: { admin: { token: TOKEN }, ...config } });
};

/** Creates sessions of alice without a sign-in. */
async function createSessions(count: number): Promise<void> {
  const store = openStoreAt(redis.url);
  const issuer = testGateway.provider.issuer;
  const now = Date.now();
  const create = (n: number) =>
    store.create(
      `made-${n}`,
      sampleData({ issuer, createdAtMs: now - count + n, absoluteExpiresAtMs: now + 3_600_000 }),
      now + 1_800_000,
    );
  for (let n = 0; n < count; n += 20)
    await Promise.all(Array.from({ length: Math.min(20, count - n) }, (_, at) => create(n + at)));
  await store.close();
}

async function signedIn(name = 'alice'): Promise<UserAgent> {
  const agent = testGateway.browser();
  await agent.signIn('/', { loginHint: name });
  return agent;
}

const listAsUser = async (agent: UserAgent, query = '') => {
  const response = await agent.fetch(`/auth/sessions${query}`);
  return { status: response.status, body: response.json() as Page, size: response.body.length };
};
const listAsOperator = async (query: string) => {
  const response = await fetch(`${testGateway.gateway.adminUrl}/sessions?subject=alice${query}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return { status: response.status, body: (await response.json()) as Page };
};

/** Follows `next` to the end. */
async function allPages(read: (next: string | undefined) => Promise<Page>): Promise<Page[]> {
  const pages: Page[] = [];
  let next: string | undefined;
  do {
    const page = await read(next);
    pages.push(page);
    next = page.next;
  } while (next !== undefined);
  return pages;
}

/** How often a Redis command was called since `CONFIG RESETSTAT`. */
async function callsOf(command: string): Promise<number> {
  const stats = String(await redis.command('INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

describe('the sessions of a user with very many sessions', () => {
  it('are listed in pages that together contain each of them once, the oldest first', async () => {
    await open();
    await createSessions(250);
    const agent = await signedIn();
    const pages = await allPages(
      async (next) => (await listAsUser(agent, `?limit=60${next === undefined ? '' : `&next=${next}`}`)).body,
    );
    expect(pages.map(({ sessions }) => sessions.length)).toEqual([60, 60, 60, 60, 11]);
    const ids = pages.flatMap(({ sessions }) => sessions.map(({ id }) => id));
    expect(ids.slice(0, 250)).toEqual(Array.from({ length: 250 }, (_, n) => `made-${n}`));
    expect(pages.at(-1)?.sessions.at(-1)).toMatchObject({ current: true });
  });

  it('are listed a hundred at a time, and a page costs the same however many there are', async () => {
    await open({ session: { maxPerUser: 0 } });
    await createSessions(MANY);
    const agent = await signedIn();
    await redis.command('CONFIG', 'RESETSTAT');
    const { body, size } = await listAsUser(agent);
    expect(body.sessions).toHaveLength(100);
    expect(body.next).toEqual(expect.any(String));
    expect(size).toBeLessThan(20_000);
    expect(await callsOf('hmget')).toBeLessThanOrEqual(102);
    expect((await listAsUser(agent, '?limit=100000')).body.sessions).toHaveLength(200);
  });

  it('are listed in pages on the admin listener', async () => {
    await open();
    await createSessions(250);
    const pages = await allPages(async (next) => {
      const { body } = await listAsOperator(`&limit=200${next === undefined ? '' : `&next=${next}`}`);
      return body;
    });
    expect(pages.map(({ sessions }) => sessions.length)).toEqual([200, 50]);
    expect((await listAsOperator('')).body.sessions).toHaveLength(100);
  });

  it('do not delay another user while all of them end', async () => {
    await open({ session: { maxPerUser: 0 } });
    await createSessions(MANY_TO_END);
    const [agent, other] = [await signedIn(), await signedIn('bob')];
    const order: string[] = [];
    const ending = agent.fetch('/auth/sessions', { method: 'DELETE' }).then(({ status }) => {
      order.push('all ended');
      return status;
    });
    for (let n = 0; n < 5; n += 1) {
      expect((await other.fetch('/auth/session')).status).toBe(200);
      order.push('responded');
    }
    expect(await ending).toBe(204);
    expect(order).toEqual([...Array(5).fill('responded'), 'all ended']);
    expect((await listAsUser(agent)).body.sessions).toHaveLength(1);
  });

  it('cost a sign-in nothing until there are more than session.maxPerUser, and no decryption beyond that', async () => {
    await open();
    await createSessions(999);
    await redis.command('CONFIG', 'RESETSTAT');
    const agent = await signedIn();
    expect(await callsOf('hmget')).toBeLessThan(10);
    await signedIn();
    const { body } = await listAsUser(agent);
    expect(body.sessions[0]).toMatchObject({ id: 'made-1' });
    const pages = await allPages(
      async (next) => (await listAsUser(agent, next === undefined ? '' : `?next=${next}`)).body,
    );
    expect(pages.flatMap(({ sessions }) => sessions)).toHaveLength(1_000);
  });

  it('end when an administrator ends them, whatever their number', async () => {
    await open();
    await createSessions(300);
    const response = await fetch(`${testGateway.gateway.adminUrl}/sessions?subject=alice`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(await response.json()).toEqual({ ended: 300 });
    expect((await listAsOperator('')).body).toEqual({ sessions: [] });
  });
});

describe('a page of the session list', () => {
  it.each([
    '?limit=0',
    '?limit=-1',
    '?limit=x',
    '?limit=',
    '?limit=1&limit=2',
    '?next=',
    '?next=nonsense',
    '?next=MTIz',
  ])('is rejected with 400 for %s', async (query) => {
    await open();
    const agent = await signedIn();
    const { status, body } = await listAsUser(agent, query);
    expect([status, body]).toEqual([400, expect.objectContaining({ code: 'bad_request' })]);
    expect((await listAsOperator(query.replace('?', '&'))).status).toBe(400);
  });

  it('shows no session of another user, whatever its next parameter is', async () => {
    await open();
    await createSessions(3);
    const alice = await signedIn();
    const bob = await signedIn('bob');
    const { body } = await listAsUser(alice, '?limit=1');
    expect((await listAsUser(bob, `?next=${body.next}`)).body.sessions.map(({ current }) => current)).toEqual(
      [true],
    );
  });
});

describe('requests to the session list on the admin listener', () => {
  it('are limited per address, and ending sessions is not', async () => {
    await open({ rateLimit: { admin: 3 } });
    await createSessions(1);
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await listAsOperator('')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const refused = await fetch(`${testGateway.gateway.adminUrl}/people?search=alice`, { headers });
    expect(await refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const ended = await fetch(`${testGateway.gateway.adminUrl}/sessions?subject=alice`, {
      method: 'DELETE',
      headers,
    });
    expect(await ended.json()).toEqual({ ended: 1 });
    expect((await fetch(`${testGateway.gateway.adminUrl}/metrics`)).status).toBe(200);
  });
});

describe('requests to the session list', () => {
  it('are limited per user, across all sessions of the user', async () => {
    await open({ rateLimit: { sessions: 4 } });
    const agents = [await signedIn(), await signedIn()];
    const bob = await signedIn('bob');
    const statuses: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      const agent = agents[n % 2] ?? bob;
      statuses.push((await agent.fetch('/auth/sessions')).status);
    }
    expect(countOccurrences(statuses)).toEqual({ 200: 4, 429: 3 });
    const refused = await (agents[0] ?? bob).fetch('/auth/sessions/x', { method: 'DELETE' });
    expect(refused.json()).toMatchObject({ code: 'rate_limited' });
    expect(Number(refused.header('retry-after'))).toBeGreaterThan(0);
    expect((await bob.fetch('/auth/sessions')).status).toBe(200);
  });
});
