import { afterEach, describe, expect, it } from 'vitest';
import { createReadCache } from '../../../src/sessions/read-cache.ts';
import { createTestClock } from '../clock.ts';
import { openTestStore, sampleData, sampleRecord, type TestStore } from './sample.ts';

const opened: TestStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

async function openCache({ maxAge = 5_000, maxEntries = 100 } = {}) {
  const clock = createTestClock();
  const store = openTestStore(clock.now);
  opened.push(store);
  const cache = createReadCache({ store, maxAge, maxEntries, clock: clock.now });
  await store.create('k1', sampleData(clock.now()), clock.now() + 1_800_000);
  store.operations.length = 0;
  return { cache, store, clock };
}

/** A cache whose reads from the store settle when the test resolves them. */
async function openSlowCache() {
  const base = await openCache();
  const reads: PromiseWithResolvers<ReturnType<typeof sampleRecord> | undefined>[] = [];
  const slow: TestStore = {
    ...base.store,
    loadView() {
      const read = Promise.withResolvers<ReturnType<typeof sampleRecord> | undefined>();
      reads.push(read);
      return read.promise;
    },
  };
  const cache = createReadCache({ store: slow, maxAge: 5_000, maxEntries: 100, clock: base.clock.now });
  return { cache, store: base.store, reads, record: sampleRecord(base.clock.now()) };
}

describe('the read cache', () => {
  it('returns a session that was read, until its maximum age', async () => {
    const { cache, clock, store } = await openCache();
    expect(cache.get('k1')).toBeUndefined();
    const session = await cache.load('k1');
    clock.advance(4_999);
    expect(cache.get('k1')).toBe(session);
    clock.advance(1);
    expect(cache.get('k1')).toBeUndefined();
    expect(store.operations).toEqual(['loadView k1']);
  });

  it('returns a session that was written', async () => {
    const { cache, clock } = await openCache();
    const record = sampleRecord(clock.now(), { version: 2 });
    cache.put(record);
    expect(cache.get('k1')).toBe(record);
    cache.drop('k1');
    expect(cache.get('k1')).toBeUndefined();
  });

  it('holds fewer sessions when their tokens are large, so that its memory is bounded', async () => {
    const { cache, clock } = await openCache();
    const put = (key: string, length: number) => {
      const access = { '': { value: 'a'.repeat(length), obtainedAtMs: clock.now() } };
      const data = sampleData(clock.now());
      cache.put(sampleRecord(clock.now(), { key, data: { ...data, tokens: { ...data.tokens, access } } }));
    };
    const heldOf = (prefix: string) =>
      Array.from({ length: 100 }, (_, at) => cache.get(`${prefix}${at}`)).filter(Boolean).length;
    for (let at = 0; at < 100; at += 1) put(`small${at}`, 2_000);
    expect(heldOf('small')).toBe(100);
    for (let at = 0; at < 100; at += 1) put(`large${at}`, 20_000);
    expect(heldOf('small')).toBe(0);
    // 100 times 4 KiB, with 20,000 bytes and what surrounds them each.
    expect(heldOf('large')).toBe(19);
    // The newest are held.
    expect(cache.get('large99')).toBeDefined();
  });

  it('keeps nothing when its maximum age is 0', async () => {
    const { cache, clock } = await openCache({ maxAge: 0 });
    await cache.load('k1');
    cache.put(sampleRecord(clock.now()));
    expect(cache.get('k1')).toBeUndefined();
  });

  it('does not extend the age of a session that is used', async () => {
    const { cache, clock } = await openCache();
    await cache.load('k1');
    clock.advance(4_999);
    cache.touch('k1', clock.now() + 1_800_000);
    expect(cache.get('k1')?.idleExpiresAtMs).toBe(clock.now() + 1_800_000);
    clock.advance(1);
    expect(cache.get('k1')).toBeUndefined();
  });

  it('holds nothing that was read more than a minute ago', async () => {
    const { cache, store, clock } = await openCache();
    const known: unknown[] = [];
    const { loadView } = store;
    store.loadView = (key, before) => {
      known.push(before?.key);
      return loadView(key, before);
    };
    await cache.load('k1');
    clock.advance(59_999);
    cache.put(sampleRecord(clock.now(), { key: 'k2' }));
    await cache.load('k1');
    clock.advance(60_000);
    cache.put(sampleRecord(clock.now(), { key: 'k2' }));
    await cache.load('k1');
    expect(known).toEqual([undefined, 'k1', undefined]);
  });

  it('does not cache the absence of a session', async () => {
    const { cache, store, clock } = await openCache();
    expect(await cache.load('k2')).toBeUndefined();
    await store.create('k2', sampleData(clock.now()), clock.now() + 1_000);
    expect(await cache.load('k2')).toBeDefined();
  });

  it('drops the oldest entry when it is full', async () => {
    const { cache, clock } = await openCache({ maxEntries: 2 });
    for (const key of ['a', 'b']) cache.put(sampleRecord(clock.now(), { key }));
    cache.put(sampleRecord(clock.now(), { key: 'a', version: 2 }));
    cache.put(sampleRecord(clock.now(), { key: 'c' }));
    expect([cache.get('a')?.version, cache.get('b'), cache.get('c')?.key]).toEqual([2, undefined, 'c']);
  });

  it('passes a store failure on and caches nothing', async () => {
    const { cache, store } = await openCache();
    store.isUnavailable = true;
    await expect(cache.load('k1')).rejects.toMatchObject({ code: 'store_unavailable' });
    store.isUnavailable = false;
    expect(await cache.load('k1')).toBeDefined();
  });
});

describe('a change message', () => {
  it('from another process drops the entry', async () => {
    const { cache, store } = await openCache();
    await cache.load('k1');
    store.announce({ kind: 'changed', key: 'k1', version: 2 });
    expect(cache.get('k1')).toBeUndefined();
  });

  it('of this process leaves the entry, which is as new', async () => {
    const { cache, store, clock } = await openCache();
    const record = sampleRecord(clock.now(), { version: 2 });
    cache.put(record);
    store.announce({ kind: 'changed', key: 'k1', version: 2 });
    store.announce({ kind: 'changed', key: 'k1', version: 1 });
    expect(cache.get('k1')).toBe(record);
  });

  it('of another session drops nothing', async () => {
    const { cache, store } = await openCache();
    await cache.load('k1');
    store.announce({ kind: 'changed', key: 'k2', version: 9 });
    store.announce({ kind: 'ended', key: 'k2', version: 9 });
    expect(cache.get('k1')).toBeDefined();
  });

  it('that may have been missed drops everything', async () => {
    const { cache, store } = await openCache();
    await cache.load('k1');
    store.announce(undefined);
    expect(cache.get('k1')).toBeUndefined();
  });

  it('that cannot be received makes the cache serve nothing meanwhile', async () => {
    const { cache, store } = await openCache();
    const session = await cache.load('k1');
    store.hasSubscription = false;
    expect(cache.get('k1')).toBeUndefined();
    store.hasSubscription = true;
    expect(cache.get('k1')).toBe(session);
  });

  it('about the end of a session prevents late writes and reads from restoring it (G14)', async () => {
    const { cache, store, clock } = await openCache();
    const session = await cache.load('k1');
    await store.remove('k1');
    expect(cache.get('k1')).toBeUndefined();
    cache.put(session ?? sampleRecord(clock.now()));
    expect(cache.get('k1')).toBeUndefined();
  });
});

describe('a read in progress', () => {
  it('serves all callers that ask for the same session meanwhile', async () => {
    const { cache, reads, record } = await openSlowCache();
    const results = [cache.load('k1'), cache.load('k1'), cache.load('k2')];
    expect(reads).toHaveLength(2);
    reads[0]?.resolve(record);
    reads[1]?.resolve(undefined);
    expect(await Promise.all(results)).toEqual([record, record, undefined]);
    void cache.load('k1');
    expect(reads).toHaveLength(3);
  });

  it.each([
    ['a change of its session', { kind: 'changed', key: 'k1', version: 2 } as const],
    ['the end of its session', { kind: 'ended', key: 'k1', version: 2 } as const],
    ['a gap', undefined],
  ])('that %s overtakes is not cached and serves no later caller', async (_what, change) => {
    const { cache, store, reads, record } = await openSlowCache();
    const before = cache.load('k1');
    store.announce(change);
    const after = cache.load('k1');
    expect(reads).toHaveLength(2);
    reads[0]?.resolve(record);
    expect(await before).toBe(record);
    expect(cache.get('k1')).toBeUndefined();
    reads[1]?.resolve(undefined);
    expect(await after).toBeUndefined();
  });

  it('that was overtaken does not replace the result of a newer one', async () => {
    const { cache, store, reads, record } = await openSlowCache();
    const before = cache.load('k1');
    store.announce({ kind: 'changed', key: 'k1', version: 2 });
    const after = cache.load('k1');
    reads[0]?.resolve(record);
    await before;
    const joined = cache.load('k1');
    expect(reads).toHaveLength(2);
    const newer = { ...record, version: 2 };
    reads[1]?.resolve(newer);
    expect(await Promise.all([after, joined])).toEqual([newer, newer]);
    expect(cache.get('k1')).toBe(newer);
  });
});
