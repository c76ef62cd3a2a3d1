import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSingleFlight } from '../../../src/concurrency/single-flight.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A single-flight whose runs start and finish as the test says. */
function openSingleFlight() {
  const singleFlight = createSingleFlight<string>();
  const runs: { finish: (value: string) => void }[] = [];
  const join = (key: string) =>
    singleFlight.run(key, () => {
      const { promise, resolve } = Promise.withResolvers<string>();
      runs.push({ finish: resolve });
      return promise;
    });
  return { singleFlight, join, runs };
}

describe('a single-flight run', () => {
  it('a run is shared by all callers of one key, and another key has its own (G6)', async () => {
    const { singleFlight, join, runs } = openSingleFlight();
    const joined = [join('a'), join('a'), join('b')];
    expect(runs).toHaveLength(2);
    expect([singleFlight.isRunning('a'), singleFlight.isRunning('b'), singleFlight.isRunning('c')]).toEqual([
      true,
      true,
      false,
    ]);
    runs[0]?.finish('here');
    runs[1]?.finish('there');
    expect(await Promise.all(joined.map((run) => run.waitFor(1_000)))).toEqual(['here', 'here', 'there']);
  });

  it('a run ends with its result, and the next call starts another', async () => {
    const { singleFlight, join, runs } = openSingleFlight();
    const first = join('a');
    runs[0]?.finish('here');
    await first.waitFor(1_000);
    expect(singleFlight.isRunning('a')).toBe(false);
    join('a');
    expect(runs).toHaveLength(2);
  });

  it('a run is awaited for the time-out of each caller, counted from its own call (G24)', async () => {
    const { join } = openSingleFlight();
    const seen: (string | undefined)[] = [];
    void join('a')
      .waitFor(1_000)
      .then((result) => seen.push(result));
    await vi.advanceTimersByTimeAsync(999);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual([undefined]);
  });

  it('a run continues for the other callers when one gives up (G24)', async () => {
    const { singleFlight, join, runs } = openSingleFlight();
    const patient = join('a').waitFor(10_000);
    const hasty = join('a').waitFor(100);
    await vi.advanceTimersByTimeAsync(100);
    expect(await hasty).toBeUndefined();
    expect(singleFlight.isRunning('a')).toBe(true);
    runs[0]?.finish('here');
    expect(await patient).toBe('here');
  });

  it('a run leaves no timer behind', async () => {
    const { join, runs } = openSingleFlight();
    const result = join('a').waitFor(1_000);
    await vi.advanceTimersByTimeAsync(10);
    runs[0]?.finish('here');
    await result;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('settle', () => {
  it('settle waits until all current runs have ended', async () => {
    const { singleFlight, join, runs } = openSingleFlight();
    join('a');
    join('b');
    let settled = false;
    const settling = singleFlight.settle().then(() => (settled = true));
    runs[0]?.finish('here');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    runs[1]?.finish('there');
    await settling;
  });
});
