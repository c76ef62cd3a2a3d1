import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createSessionBoundResponses } from '../../../../src/proxy/response/session-bound.ts';
import type { SessionRecord } from '../../../../src/sessions/session.ts';
import type { EndWatcher } from '../../../../src/sessions/end-watcher.ts';
import { sampleRecord } from '../../sessions/sample.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Long responses, with an end watcher that a test can look at. */
function openSessionBound() {
  const watched = new Map<string, () => void>();
  const endWatcher: EndWatcher = {
    watch: ({ key }: SessionRecord, onEnd) => {
      watched.set(key, onEnd);
      return () => void watched.delete(key);
    },
  };
  const sessionBound = createSessionBoundResponses(endWatcher);
  const begin = (key: string) => {
    const destroy = vi.fn();
    const response = { destroy } as unknown as ServerResponse;
    const end = sessionBound.follow(response, sampleRecord(Date.now(), { key }));
    return { end, destroy };
  };
  return { begin, watched };
}

it('a short response is never watched and leaves nothing behind', async () => {
  const { begin, watched } = openSessionBound();
  for (let at = 0; at < 50; at += 1) {
    const response = begin(`k${at}`);
    await vi.advanceTimersByTimeAsync(100);
    response.end();
    expect(watched.size).toBe(0);
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(vi.getTimerCount()).toBe(0);
});

it('a long response is watched once, within two seconds, until it ends', async () => {
  const { begin, watched } = openSessionBound();
  const response = begin('k1');
  await vi.advanceTimersByTimeAsync(2_000);
  const [watch] = watched.values();
  expect(watch).toBeTypeOf('function');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([...watched.values()]).toEqual([watch]);
  response.end();
  expect(watched.size).toBe(0);
  expect(response.destroy).not.toHaveBeenCalled();
});

it('only the responses of an ended session are cut off (standards: D19)', async () => {
  const { begin, watched } = openSessionBound();
  const responses = ['k1', 'k2', 'k3'].map(begin);
  await vi.advanceTimersByTimeAsync(2_000);
  watched.get('k2')?.();
  expect(responses.map(({ destroy }) => destroy.mock.calls.length)).toEqual([0, 1, 0]);
});

it('responses may start and end in any order', async () => {
  const { begin, watched } = openSessionBound();
  const responses = ['k1', 'k2', 'k3', 'k4', 'k5'].map(begin);
  for (const at of [1, 4, 0]) responses[at]?.end();
  await vi.advanceTimersByTimeAsync(2_000);
  expect([...watched.keys()].toSorted()).toEqual(['k3', 'k4']);
  for (const at of [2, 3]) responses[at]?.end();
  expect(watched.size).toBe(0);
});
