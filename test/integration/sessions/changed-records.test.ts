import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createEnvelopes } from '../../../src/crypto/envelope.ts';
import type { SessionStore } from '../../../src/sessions/store/store.ts';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';
import { openTestGateway, type TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { sealPreviousFormat } from '../../../testkit/secrets/previous-envelope.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { openStoreAt } from '../redis/open-store.ts';
import { refreshed, sampleData } from './sample.ts';

/** What somebody can do who writes to Redis and knows no secret, and records of the previous format. */

const HOUR = 3_600_000;
const POLLING = { timeout: 20_000, interval: 20 };
/** No cache, so that each request reads the record. */
const uncached = { session: { cache: { maxAge: '0s' } } };

let redis: RedisServer;
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.rootUrl);
});
afterEach(async () => void (await client.flushall()));
afterAll(async () => {
  client.disconnect();
  await redis.close();
});

async function openGateway(): Promise<TestGateway> {
  const testGateway = await openTestGateway({ store: redis.url, config: uncached });
  onTestFinished(() => testGateway.close());
  return testGateway;
}
function openStore(): SessionStore {
  const store = openStoreAt(redis.url);
  onTestFinished(() => store.close());
  return store;
}
async function recordKey(): Promise<string> {
  const keys = await client.keys('coatcheck:session:*');
  expect(keys).toHaveLength(1);
  return keys[0] ?? '';
}
const field = async (name: string) => (await client.hgetBuffer(await recordKey(), name)) ?? Buffer.alloc(0);
const setFields = async (fields: Record<string, string | number | Buffer>) =>
  client.hset(await recordKey(), fields);

describe('a record whose clear fields were changed (standards: E5)', () => {
  const call = async (agent: UserAgent) => (await agent.fetch('/api/one')).json();
  const ended = { status: 401, code: 'session_expired' };

  it.each<[string, () => Promise<unknown>]>([
    ['version is rewound', () => setFields({ v: 0 })],
    ['version is raised', () => setFields({ v: 9 })],
    ['end is moved', async () => setFields({ a: Number(await field('a')) + HOUR })],
    ['end is missing', async () => client.hdel(await recordKey(), 'a')],
    ['envelope is missing', async () => client.hdel(await recordKey(), 'e')],
    ['sealed idle limit is missing', async () => client.hdel(await recordKey(), 't')],
    [
      'sealed idle limit is moved',
      async () => {
        const sealed = await field('t');
        sealed.writeDoubleBE(sealed.readDoubleBE() + HOUR);
        await setFields({ t: sealed });
      },
    ],
  ])('cannot be opened when its %s, and the log and the metrics say so', async (_what, change) => {
    const { agent, gateway } = await openGateway();
    await agent.signIn();
    await change();
    expect(await call(agent)).toMatchObject(ended);
    expect(gateway.logs().match(/"reason":"unreadable"/g)).toHaveLength(1);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('coatcheck_sessions_ended_total{reason="unreadable"} 1\n');
  });

  it('does not live longer than its idle limit when the copy of the limit for the scripts is moved', async () => {
    const testGateway = await openGateway();
    await testGateway.agent.signIn();
    await setFields({ i: Number(await field('i')) + 20 * HOUR });
    await client.persist(await recordKey());
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    testGateway.advance(HOUR);
    expect(await call(testGateway.agent)).toMatchObject(ended);
  });

  it('cannot take the sealed idle limit of another session', async () => {
    const { agent, browser } = await openGateway();
    await agent.signIn();
    const others = await field('t');
    const key = await recordKey();
    await client.rename(key, 'elsewhere');
    const victim = browser();
    await victim.signIn();
    await setFields({ t: others });
    expect(await call(victim)).toMatchObject(ended);
  });

  it('ends the session if it is changed between the read and the write of a refresh', async () => {
    const store = openStore();
    await store.create('one', sampleData(), Date.now() + HOUR);
    await store.loadForRefresh('one');
    await client.hdel(await recordKey(), 't');
    await setFields({ i: Date.now() + 20 * HOUR });
    expect(await store.replace('one', refreshed(sampleData(), 'access-2'), 1)).toBe('gone');
    expect(await client.hexists(await recordKey(), 't')).toBe(0);
  });
});

describe('a whole older record that is put back', () => {
  const put = async (key: string, record: Record<string, Buffer>) => client.hset(key, record);

  it('is replaced by the newer one where that is known, and taken for current by a process that started later', async () => {
    const writer = openStore();
    await expect.poll(writer.isSubscribed, POLLING).toBe(true);
    await writer.create('one', sampleData(), Date.now() + HOUR);
    const key = await recordKey();
    const older = await client.hgetallBuffer(key);
    await writer.replace('one', refreshed(sampleData(), 'access-2'), 1);

    await put(key, older);
    expect(await writer.loadRecord('one')).toMatchObject({ version: 2 });
    expect(String(await field('v'))).toBe('2');

    await put(key, older);
    expect(await openStore().loadRecord('one')).toMatchObject({ version: 1 });
  });
});

describe('a record of the previous format', () => {
  const ring = createKeyRing([SESSION_SECRET]);

  /** Puts the record of the session `one` back into the format of before. */
  async function makePrevious(idleExpiresAtMs: number) {
    const key = await recordKey();
    const [version, endsAtMs] = [Number(await field('v')), Number(await field('a'))];
    const plaintext = createEnvelopes(ring).openBytes(await field('e'), key, [version, endsAtMs]);
    await client.hdel(key, 't');
    await setFields({ e: sealPreviousFormat(ring, plaintext ?? '', key), i: idleExpiresAtMs });
  }
  const idleIn = async (store: SessionStore) => (await store.loadRecord('one'))?.idleExpiresAtMs;

  it('is read, with its idle limit, and written in the new one with the same limit', async () => {
    const store = openStore();
    const idle = Date.now() + HOUR;
    await store.create('one', sampleData(), Date.now() + 2 * HOUR);
    await makePrevious(idle);
    expect(await store.loadRecord('one')).toMatchObject({ version: 1, idleExpiresAtMs: idle });
    expect(await store.touch('one', idle + 1_000)).toBe(true);
    expect(await client.hexists(await recordKey(), 't')).toBe(0);
    expect(await idleIn(store)).toBe(idle + 1_000);

    expect(await store.replace('one', refreshed(sampleData(), 'access-2'), 1)).toBe('replaced');
    expect(createEnvelopes(ring).isPreviousFormat(await field('e'))).toBe(false);
    expect(await store.loadRecord('one')).toMatchObject({ version: 2, idleExpiresAtMs: idle + 1_000 });
    expect(await openStore().loadView('one')).toMatchObject({ version: 2, idleExpiresAtMs: idle + 1_000 });
  });

  it('comes back from a snapshot, and the newer record with it', async () => {
    const store = openStore();
    await store.create('one', sampleData(), Date.now() + HOUR);
    const idle = Date.now() + 2 * HOUR;
    await makePrevious(idle);
    const key = await recordKey();
    const older = await client.dumpBuffer(key);
    await store.replace('one', refreshed(sampleData(), 'access-2'), 1);
    await client.restore(key, HOUR, older ?? '', 'REPLACE');
    expect(await store.loadRecord('one')).toMatchObject({ version: 2, idleExpiresAtMs: idle });
    expect(await openStore().loadRecord('one')).toMatchObject({ version: 2, idleExpiresAtMs: idle });
  });

  it('goes on in a gateway without a sign-in', async () => {
    const testGateway = await openGateway();
    await testGateway.agent.signIn();
    await makePrevious(testGateway.now() + HOUR);
    testGateway.advance(300_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
    expect(await client.hexists(await recordKey(), 't')).toBe(1);
    expect(testGateway.gateway.logs()).not.toContain('unreadable');
  });
});
