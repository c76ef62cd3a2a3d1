import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SessionStore } from '../../../src/sessions/store/store.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { openStoreAt } from '../redis/open-store.ts';
import { refreshed, sampleData } from './sample.ts';

/** The behaviour of the store after Redis has lost acknowledged writes. */

const GENERATION = 'coatcheck:generation';
const HOUR = 3_600_000;
const POLLING = { timeout: 20_000, interval: 20 };

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

async function openStore(url = redis.url): Promise<SessionStore> {
  const store = openStoreAt(url);
  onTestFinished(() => store.close());
  await expect.poll(store.isSubscribed, POLLING).toBe(true);
  return store;
}
const create = (store: SessionStore, key: string) => store.create(key, sampleData(), Date.now() + HOUR);
const tokenOf = async (store: SessionStore, key: string) =>
  (await store.loadForRefresh(key))?.data.tokens.access['']?.value;
const recordKey = async () => {
  const [key = ''] = await client.keys('coatcheck:session:*');
  return key;
};
/** The record as it is now; `restore` puts it back, as a restart from a snapshot does. */
async function snapshot() {
  const key = await recordKey();
  const dump = await client.dumpBuffer(key);
  return { restore: () => client.restore(key, HOUR, dump ?? '', 'REPLACE') };
}
const isOutdated = async (store: SessionStore) => {
  const record = await store.loadRecord('one');
  return (record?.data.generation ?? 0) < store.generation();
};
const reconnect = () => client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

describe('a record whose newest version Redis has lost', () => {
  it('is written again by the process that wrote it as soon as that process has reconnected', async () => {
    const writer = await openStore();
    await create(writer, 'one');
    const old = await snapshot();
    await writer.replace('one', refreshed(sampleData(), 'access-2'), 1);
    await old.restore();
    await reconnect();
    await expect.poll(async () => client.hget(await recordKey(), 'v'), POLLING).toBe('2');
    expect(await tokenOf(await openStore(), 'one')).toBe('access-2');
  });

  it('is served from memory and written again when the process that wrote it loads it', async () => {
    const writer = await openStore();
    await create(writer, 'one');
    const old = await snapshot();
    await writer.replace('one', refreshed(sampleData(), 'access-2'), 1);
    await old.restore();
    expect(await tokenOf(writer, 'one')).toBe('access-2');
    expect(await client.hget(await recordKey(), 'v')).toBe('2');
  });

  it('is not used for a refresh by another process that knows of the newer version, until that version is back', async () => {
    const writer = await openStore();
    const reader = await openStore();
    await create(writer, 'one');
    const old = await snapshot();
    const heard = Promise.withResolvers<void>();
    reader.onChange(() => heard.resolve());
    await writer.replace('one', refreshed(sampleData(), 'access-2'), 1);
    await heard.promise;
    await old.restore();
    await expect(reader.loadForRefresh('one')).rejects.toMatchObject({ code: 'store_unavailable' });
    // Its request makes the writer write it again.
    await expect.poll(() => tokenOf(reader, 'one').catch(() => undefined), POLLING).toBe('access-2');
  });

  it('is not restored after the session has ended', async () => {
    const writer = await openStore();
    await create(writer, 'one');
    const old = await snapshot();
    await writer.remove('one');
    await old.restore();
    expect(await writer.loadRecord('one')).toBeUndefined();
    await expect.poll(() => client.keys('coatcheck:session:*'), POLLING).toEqual([]);
  });

  it('is not written again once it has been removed', async () => {
    const writer = await openStore();
    await create(writer, 'one');
    await writer.replace('one', refreshed(sampleData(), 'access-2'), 1);
    await client.del(await recordKey());
    await reconnect();
    await expect.poll(() => writer.loadRecord('one').catch(() => 'away'), POLLING).toBeUndefined();
    expect(await client.keys('coatcheck:session:*')).toEqual([]);
  });
});

describe('a spend mark', () => {
  const mark = { key: 'one', version: 1, lifetimeMs: 10_000, unanswered: 10 };

  it('is written for exactly one of many owners', async () => {
    const store = await openStore();
    await create(store, 'one');
    const owners = ['a', 'b', 'c', 'd', 'e'];
    const results = await Promise.all(owners.map((owner) => store.markSpend({ ...mark, owner })));
    expect(results.map(({ kind }) => kind).toSorted()).toEqual([
      'marked',
      'taken',
      'taken',
      'taken',
      'taken',
    ]);
    expect(results[1]).toMatchObject({ owner: 'a' });
  });

  it('is extended by its owner, and replaced after its expiry by an owner that has waited for it', async () => {
    const store = await openStore();
    await create(store, 'one');
    expect(await store.markSpend({ ...mark, owner: 'a' })).toEqual({ kind: 'marked' });
    expect(await store.markSpend({ ...mark, owner: 'b', over: 'a' })).toMatchObject({
      kind: 'taken',
      owner: 'a',
    });
    expect(await store.markSpend({ ...mark, owner: 'a', lifetimeMs: 0 })).toEqual({ kind: 'marked' });
    expect(await store.markSpend({ ...mark, owner: 'b', over: 'a' })).toEqual({ kind: 'marked' });
    expect(await store.markSpend({ ...mark, owner: 'c', over: 'a' })).toMatchObject({
      kind: 'taken',
      owner: 'b',
    });
  });

  it('states how long it lasts, also after its expiry', async () => {
    const store = await openStore();
    await create(store, 'one');
    await store.markSpend({ ...mark, lifetimeMs: 1, owner: 'a' });
    await expect
      .poll(async () => {
        const result = await store.markSpend({ ...mark, owner: 'b' });
        return result.kind === 'taken' && result.remainingMs <= 0;
      }, POLLING)
      .toBe(true);
  });

  it('is not written for another version, or for a session that has ended', async () => {
    const store = await openStore();
    await create(store, 'one');
    expect(await store.markSpend({ ...mark, version: 2, owner: 'a' })).toEqual({ kind: 'conflict' });
    await store.remove('one');
    expect(await store.markSpend({ ...mark, owner: 'a' })).toEqual({ kind: 'gone' });
  });

  it('ends with the write of new tokens, or when its owner removes it', async () => {
    const store = await openStore();
    await create(store, 'one');
    await store.markSpend({ ...mark, owner: 'a' });
    await store.unmarkSpend('one', 'b', 'answered');
    expect(await client.hexists(await recordKey(), 'm')).toBe(1);
    await store.unmarkSpend('one', 'a', 'answered');
    expect(await client.hexists(await recordKey(), 'm')).toBe(0);
    await store.markSpend({ ...mark, owner: 'a' });
    expect(await store.replace('one', sampleData(), 1, 'unless_marked')).toBe('conflict');
    expect(await store.replace('one', sampleData(), 1)).toBe('replaced');
    expect(await client.hexists(await recordKey(), 'm')).toBe(0);
  });

  it('counts the sendings without a response, until new tokens are written', async () => {
    const store = await openStore();
    await create(store, 'one');
    const owned = { ...mark, owner: 'a', unanswered: 1 };
    await store.markSpend(owned);
    await store.unmarkSpend('one', 'a', 'answered');
    await store.unmarkSpend('one', 'a', 'answered');
    for (const owner of ['b', 'c']) {
      expect(await store.markSpend({ ...owned, owner })).toEqual({ kind: 'marked' });
      await store.unmarkSpend('one', owner, 'unanswered');
    }
    const refused = { kind: 'unanswered', count: 2, lastMs: expect.any(Number) };
    expect(await store.markSpend(owned)).toEqual(refused);
    expect(await client.hexists(await recordKey(), 'm')).toBe(0);
    expect(await store.replace('one', sampleData(), 1, 'unless_marked')).toBe('replaced');
    expect(await store.markSpend({ ...owned, version: 2 })).toEqual(refused);
    expect(await store.markSpend({ ...owned, version: 2, unanswered: 2 })).toEqual({ kind: 'marked' });
    await store.unmarkSpend('one', 'a', 'answered');
    expect(await store.markSpend({ ...owned, version: 2 })).toEqual(refused);
    expect(await store.replace('one', sampleData(), 2)).toBe('replaced');
    expect(await store.markSpend({ ...owned, version: 3 })).toEqual({ kind: 'marked' });
  });

  it('treats a sending as just ended when its time is ahead of the clock of Redis', async () => {
    const store = await openStore();
    await create(store, 'one');
    await client.hset(await recordKey(), 'u', `2 ${Date.now() + 3_600_000}`);
    expect(await store.markSpend({ ...mark, owner: 'a', unanswered: 1 })).toEqual({
      kind: 'unanswered',
      count: 2,
      lastMs: 0,
    });
  });

  it('cannot be written while Redis refuses writes', async () => {
    const store = await openStore();
    await create(store, 'one');
    await client.config('SET', 'min-replicas-to-write', 1);
    const refusal = await store.markSpend({ ...mark, owner: 'a' }).catch((error: unknown) => error);
    await client.config('SET', 'min-replicas-to-write', 0);
    expect(refusal).toMatchObject({ code: 'store_unavailable' });
  });
});

describe('a session generation that Redis has lost (standards: D24)', () => {
  it('is stored again by a process that knows it, also if nobody has ever ended every session', async () => {
    const store = await openStore();
    await create(store, 'one');
    await client.del(GENERATION);
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect.poll(() => client.get(GENERATION), POLLING).toBe('0');
    expect(await (await openStore()).loadRecord('one')).toBeDefined();
    expect(store.generation()).toBe(0);
  });

  it('is raised again by the process that knows it when another one starts with a sign-in', async () => {
    const first = await openStore();
    await create(first, 'one');
    await first.beginGeneration();
    const known = await client.get(GENERATION);
    await client.del(GENERATION);
    const second = await openStore();
    await create(second, 'two');
    await expect.poll(() => client.get(GENERATION), POLLING).toBe(known);
    await expect.poll(() => isOutdated(second), POLLING).toBe(true);
  });

  it('is stored again by a process that knows it when another one finds a session without it', async () => {
    const first = await openStore();
    await create(first, 'one');
    await first.beginGeneration();
    const known = await client.get(GENERATION);
    await client.del(GENERATION);
    expect(await isOutdated(await openStore())).toBe(true);
    expect(await client.get(GENERATION)).toBe(known);
  });

  it('is stored again after a reconnection if Redis has an older one', async () => {
    const first = await openStore();
    await create(first, 'one');
    const older = await client.get(GENERATION);
    await first.beginGeneration();
    const known = await client.get(GENERATION);
    await client.set(GENERATION, older ?? '');
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect.poll(() => client.get(GENERATION), POLLING).toBe(known);
  });

  it('comes back with an append-only file after a crash, though no process knows it', async () => {
    const durable = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    onTestFinished(() => durable.close());
    const first = await openStore(durable.url);
    await create(first, 'one');
    await first.beginGeneration();
    await first.close();
    await durable.crash();
    await durable.start();
    expect(await isOutdated(await openStore(durable.url))).toBe(true);
  });

  it('ends every session if no process knows it', async () => {
    const first = await openStore();
    await create(first, 'one');
    await first.beginGeneration();
    await first.close();
    await client.del(GENERATION);
    expect(await isOutdated(await openStore())).toBe(true);
    expect(Number(await client.get(GENERATION))).toBeGreaterThan(0);
  });

  it('is taken from a session that began in it', async () => {
    const first = await openStore();
    await create(first, 'one');
    await first.beginGeneration();
    await create(first, 'two');
    await first.close();
    await client.set(GENERATION, '0');
    const second = await openStore();
    await second.loadRecord('two');
    expect(await isOutdated(second)).toBe(true);
  });
});
