import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEndWatcher } from '../../../src/sessions/end-watcher.ts';
import { openTestStore, sampleData, sampleRecord } from './sample.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** An end watcher, and one session in its store. */
async function openEndWatcher() {
  const store = openTestStore(Date.now);
  const endWatcher = createEndWatcher({ store, clock: Date.now });
  const record = sampleRecord(Date.now());
  await store.create(record.key, record.data, record.idleExpiresAtMs);
  store.operations.length = 0;
  return { store, endWatcher, record };
}

describe('the end watcher', () => {
  it('reports once that a session has ended, here or in another process (D19)', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    store.announce({ kind: 'ended', key: 'k2', version: 1 });
    store.announce({ kind: 'changed', key: 'k1', version: 2 });
    expect(onEnd).not.toHaveBeenCalled();
    store.announce({ kind: 'ended', key: 'k1', version: 2 });
    store.announce({ kind: 'ended', key: 'k1', version: 2 });
    await vi.advanceTimersByTimeAsync(7_200_000);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('reports to everyone who watches the session, except to those who stop meanwhile', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const ended: string[] = [];
    const stopThird = { now: () => {} };
    endWatcher.watch(record, () => ended.push('first'));
    endWatcher.watch(record, () => {
      ended.push('second');
      stopThird.now();
    });
    stopThird.now = endWatcher.watch(record, () => ended.push('third'));
    store.announce({ kind: 'ended', key: 'k1', version: 1 });
    expect(ended).toEqual(['first', 'second']);
  });

  it('reports a session that ended before the watch began', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    await store.remove('k1');
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    await vi.advanceTimersByTimeAsync(0);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('reports once when the message arrives during a check', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    await store.remove('k1');
    await vi.advanceTimersByTimeAsync(7_200_000);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('reports nothing to a watch that has stopped', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    const stop = endWatcher.watch(record, onEnd);
    await vi.advanceTimersByTimeAsync(0);
    store.operations.length = 0;
    stop();
    store.announce({ kind: 'ended', key: 'k1', version: 1 });
    store.announce(undefined);
    await vi.advanceTimersByTimeAsync(7_200_000);
    expect(onEnd).not.toHaveBeenCalled();
    expect(store.operations).toEqual([]);
  });

  it('checks a session once for any number of watches, until the last of them stops', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    const stops = [onEnd, onEnd, vi.fn()].map((each) => endWatcher.watch(record, () => each()));
    await vi.advanceTimersByTimeAsync(0);
    expect(store.operations).toEqual(['loadView k1']);
    stops[0]?.();
    stops[2]?.();
    await vi.advanceTimersByTimeAsync(1_800_000);
    expect(onEnd).toHaveBeenCalledTimes(1);
    expect(store.operations).toEqual(['loadView k1', 'loadView k1']);
  });

  it('passes the last read record to the store, so that it need not be opened again', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const loadView = vi.spyOn(store, 'loadView');
    endWatcher.watch(record, () => {});
    expect(loadView).toHaveBeenLastCalledWith('k1', record);
    await vi.advanceTimersByTimeAsync(0);
    await store.touch('k1', Date.now() + 3_000_000);
    await vi.advanceTimersByTimeAsync(1_800_000);
    expect(loadView).toHaveBeenLastCalledWith('k1', undefined);
  });

  it('reports nothing to a watch that stops during a check', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    await store.remove('k1');
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd)();
    await vi.advanceTimersByTimeAsync(7_200_000);
    expect(onEnd).not.toHaveBeenCalled();
  });

  it('reports a session that has exceeded its idle limit (F25)', async () => {
    const { endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    await vi.advanceTimersByTimeAsync(1_799_999);
    expect(onEnd).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('continues while the session is used, up to its absolute limit (F25)', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    for (let minute = 0; minute < 59; minute += 1) {
      await vi.advanceTimersByTimeAsync(60_000);
      await store.touch('k1', Date.now() + 1_800_000);
    }
    expect(onEnd).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('does not report an end during an outage, and checks again until the store responds (E24)', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    await store.touch('k1', Date.now() + 3_000_000);
    await vi.advanceTimersByTimeAsync(1_700_000);
    store.isUnavailable = true;
    await vi.advanceTimersByTimeAsync(200_000);
    expect(onEnd).not.toHaveBeenCalled();
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(onEnd).not.toHaveBeenCalled();
    await store.remove('k1');
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('checks by itself when messages may have been missed', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const onEnd = vi.fn();
    endWatcher.watch(record, onEnd);
    await vi.advanceTimersByTimeAsync(0);
    store.operations.length = 0;
    store.announce(undefined);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.operations).toEqual(['loadView k1']);
    expect(onEnd).not.toHaveBeenCalled();
    await store.replace('k1', sampleData(Date.now(), { absoluteExpiresAtMs: Date.now() }), 1);
    store.announce(undefined);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('spreads its checks over time when messages may have been missed', async () => {
    const { store, endWatcher, record } = await openEndWatcher();
    const keys = Array.from({ length: 100 }, (_, at) => `of-many-${at}`);
    for (const key of keys) {
      await store.create(key, record.data, record.idleExpiresAtMs);
      endWatcher.watch({ ...record, key }, () => {});
    }
    await vi.advanceTimersByTimeAsync(0);
    store.operations.length = 0;
    store.announce(undefined);
    await vi.advanceTimersByTimeAsync(500);
    expect(store.operations.length).toBeGreaterThan(0);
    expect(store.operations.length).toBeLessThan(keys.length);
    await vi.advanceTimersByTimeAsync(500);
    expect(store.operations.toSorted()).toEqual(keys.map((key) => `loadView ${key}`).toSorted());
  });
});
