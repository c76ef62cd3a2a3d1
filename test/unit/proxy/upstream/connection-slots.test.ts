import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createConnectionSlots } from '../../../../src/proxy/upstream/connection-slots.ts';

const WAIT_MS = 1_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** This many numbered requests for two slots, and the outcomes of those that had to wait. */
function openSlots(requests: number) {
  const slots = createConnectionSlots(2, WAIT_MS);
  const came: (number | string)[] = [];
  const all = Array.from({ length: requests }, (_, at) => {
    const go = () => void came.push(at);
    const isIn = slots.take(go, ({ code }) => void came.push(`${at} ${code}`));
    return { go, isIn };
  });
  return { slots, came, all };
}

describe('a connection slot', () => {
  it('is granted at once while slots are free, and then in order of arrival', () => {
    const { slots, came, all } = openSlots(4);
    expect(all.map(({ isIn }) => isIn)).toEqual([true, true, false, false]);
    slots.release();
    slots.release();
    vi.runAllTimers();
    expect(came).toEqual([2, 3]);
    slots.release();
    expect(slots.take(vi.fn(), vi.fn())).toBe(true);
    expect(slots.take(vi.fn(), vi.fn())).toBe(false);
  });

  it('is awaited only for the time-out, and goes to the next waiter', () => {
    const { slots, came } = openSlots(3);
    vi.advanceTimersByTime(WAIT_MS - 1);
    slots.take(
      () => void came.push('late'),
      () => void came.push('late refused'),
    );
    expect(came).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(came).toEqual(['2 upstream_timeout']);
    slots.release();
    vi.runAllTimers();
    expect(came).toEqual(['2 upstream_timeout', 'late']);
  });

  it('is not reserved for a waiter that gave up', () => {
    const { slots, came, all } = openSlots(4);
    slots.forgo(all[2]?.go ?? vi.fn());
    expect(vi.getTimerCount()).toBe(1);
    slots.release();
    vi.runAllTimers();
    expect(came).toEqual([3]);
  });
});
