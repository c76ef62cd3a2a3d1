import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createConnectionSlots } from '../../../../src/proxy/upstream/connection-slots.ts';

const WAIT_MS = 1_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** So many requests for two places, numbered; what became of those that had to wait. */
function openPlaces(requests: number) {
  const places = createConnectionSlots(2, WAIT_MS);
  const came: (number | string)[] = [];
  const all = Array.from({ length: requests }, (_, at) => {
    const go = () => void came.push(at);
    const isIn = places.take(go, ({ code }) => void came.push(`${at} ${code}`));
    return { go, isIn };
  });
  return { places, came, all };
}

describe('a connection slot', () => {
  it('is granted at once while slots are free, and then in order of arrival', () => {
    const { places, came, all } = openPlaces(4);
    expect(all.map(({ isIn }) => isIn)).toEqual([true, true, false, false]);
    places.release();
    places.release();
    vi.runAllTimers();
    expect(came).toEqual([2, 3]);
    places.release();
    expect(places.take(vi.fn(), vi.fn())).toBe(true);
    expect(places.take(vi.fn(), vi.fn())).toBe(false);
  });

  it('is awaited only for the time-out, and goes to the next waiter', () => {
    const { places, came } = openPlaces(3);
    vi.advanceTimersByTime(WAIT_MS - 1);
    places.take(
      () => void came.push('late'),
      () => void came.push('late refused'),
    );
    expect(came).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(came).toEqual(['2 upstream_timeout']);
    places.release();
    vi.runAllTimers();
    expect(came).toEqual(['2 upstream_timeout', 'late']);
  });

  it('is not reserved for a waiter that gave up', () => {
    const { places, came, all } = openPlaces(4);
    places.forgo(all[2]?.go ?? vi.fn());
    expect(vi.getTimerCount()).toBe(1);
    places.release();
    vi.runAllTimers();
    expect(came).toEqual([3]);
  });
});
