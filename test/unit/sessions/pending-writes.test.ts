import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPendingWrites } from '../../../src/sessions/pending-writes.ts';
import { collectLog } from '../log-lines.ts';
import { openTestStore, sampleData, sampleRecord } from './sample.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A store that has become unavailable, and the next version of a record in it, which cannot be written. */
async function openPendingWrites() {
  const store = openTestStore(Date.now);
  const { log, lines } = collectLog();
  const pendingWrites = createPendingWrites({ store, clock: Date.now, log });
  const before = sampleRecord(Date.now());
  await store.create(before.key, before.data, before.idleExpiresAtMs);
  store.isUnavailable = true;
  store.operations.length = 0;
  const data = sampleData(Date.now(), { subject: 'refreshed' });
  const record = { ...before, data, version: 2 };
  return { pendingWrites, store, record, lines };
}

describe('a pending write', () => {
  it('is kept and written as soon as the store is back (G16)', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    const write = pendingWrites.add(record, 1);
    expect(pendingWrites.get('k1')).toBe(record);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(pendingWrites.get('k1')).toBe(record);
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await write).toBe('replaced');
    expect(pendingWrites.get('k1')).toBeUndefined();
    expect((await store.loadRecord('k1'))?.data.subject).toBe('refreshed');
  });

  it('is written at once when the store has reconnected', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    const write = pendingWrites.add(record, 1);
    await vi.advanceTimersByTimeAsync(60_000);
    store.isUnavailable = false;
    store.reconnect();
    await vi.advanceTimersByTimeAsync(0);
    expect(await write).toBe('replaced');
  });

  it('is retried after 50 ms, then after pauses that double up to a second (G16)', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    void pendingWrites.add(record, 1);
    const attempts: number[] = [];
    for (let ms = 1; ms <= 4_550; ms += 1) {
      await vi.advanceTimersByTimeAsync(1);
      if (store.operations.length > attempts.length) attempts.push(ms);
    }
    expect(attempts).toEqual([50, 150, 350, 750, 1_550, 2_550, 3_550, 4_550]);
  });

  it('is dropped as soon as its session ends, and when the store no longer has the session (G14)', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    const write = pendingWrites.add(record, 1);
    store.isUnavailable = false;
    await store.remove('k1');
    pendingWrites.drop('k1');
    expect(pendingWrites.get('k1')).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await write).toBe('gone');
  });

  it('serves no request once another process has ended its session (standards: D19)', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    void pendingWrites.add(record, 1);
    store.announce({ kind: 'ended', key: 'k2', version: 1 });
    expect(pendingWrites.get('k1')).toBe(record);
    store.announce({ kind: 'ended', key: 'k1', version: 1 });
    expect(pendingWrites.get('k1')).toBeUndefined();
  });

  it.each(['conflict', 'gone'] as const)('is dropped when the store responds "%s" (G14)', async (result) => {
    const { pendingWrites, store, record } = await openPendingWrites();
    const write = pendingWrites.add(record, 1);
    store.isUnavailable = false;
    if (result === 'gone') await store.remove('k1');
    else await store.replace('k1', sampleData(Date.now()), 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await write).toBe(result);
    expect(pendingWrites.get('k1')).toBeUndefined();
  });

  it('is dropped when the session is over', async () => {
    const { pendingWrites, record } = await openPendingWrites();
    const write = pendingWrites.add(record, 1);
    await vi.advanceTimersByTimeAsync(1_801_000);
    expect(await write).toBe('gone');
    expect(pendingWrites.get('k1')).toBeUndefined();
    expect(vi.getTimerCount()).toBe(1); // the store's own
  });

  it('is logged without any of its tokens (E23)', async () => {
    const { pendingWrites, record, lines } = await openPendingWrites();
    void pendingWrites.add(record, 1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('keeping them in memory');
    expect(lines[0]).not.toMatch(/at-1|rt-1|k1/);
  });

  it('shares one warning every 30 seconds with all others in an outage, with their number', async () => {
    const { pendingWrites, record, lines } = await openPendingWrites();
    const warnings = () =>
      lines
        .map((line) => JSON.parse(line) as { level: string; pending: number })
        .filter(({ level }) => level === 'warn');
    for (let count = 1; count <= 50; count += 1) void pendingWrites.add({ ...record, key: `k${count}` }, 1);
    expect(warnings()).toMatchObject([{ pending: 1 }]);
    await vi.advanceTimersByTimeAsync(30_000);
    void pendingWrites.add({ ...record, key: 'k51' }, 1);
    expect(warnings()).toMatchObject([{ pending: 1 }, { pending: 51 }]);
  });

  it('does not remove a newer one from memory when it ends', async () => {
    const { pendingWrites, store, record } = await openPendingWrites();
    const first = pendingWrites.add(record, 1);
    await vi.advanceTimersByTimeAsync(25);
    const newer = { ...record, version: 3 };
    const second = pendingWrites.add(newer, 2);
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(25);
    expect(await first).toBe('replaced');
    expect(pendingWrites.get('k1')).toBe(newer);
    await vi.advanceTimersByTimeAsync(25);
    expect(await second).toBe('replaced');
    expect((await store.loadRecord('k1'))?.version).toBe(3);
    expect(pendingWrites.get('k1')).toBeUndefined();
  });
});
