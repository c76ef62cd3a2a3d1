import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../../../src/proxy/upstream/http1/deadline.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function open() {
  let passed = 0;
  const deadline = new Deadline(() => void (passed += 1));
  /** How often it had passed after each of these times, in milliseconds. */
  const after = (...delays: number[]) =>
    delays.map((delayMs) => {
      vi.advanceTimersByTime(delayMs);
      return passed;
    });
  return { deadline, after };
}

describe('a deadline', () => {
  it('passes once', () => {
    const { deadline, after } = open();
    deadline.set(100);
    expect(after(99, 1, 1_000)).toEqual([0, 1, 1]);
  });

  it('moves later and earlier', () => {
    const { deadline, after } = open();
    deadline.set(100);
    expect(after(50)).toEqual([0]);
    deadline.set(1_000);
    expect(after(999)).toEqual([0]);
    deadline.set(10);
    expect(after(9, 1)).toEqual([0, 1]);
    deadline.set(10);
    expect(after(10)).toEqual([2]);
  });

  it('does not pass while it is cleared, nor once it is closed', () => {
    const { deadline, after } = open();
    deadline.set(100);
    deadline.clear();
    expect(after(1_000)).toEqual([0]);
    deadline.set(100);
    deadline.close();
    expect(after(1_000)).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may be farther away than a timer of Node.js', () => {
    const { deadline, after } = open();
    deadline.set(3_000_000_000);
    expect(after(2_999_999_999, 1)).toEqual([0, 1]);
  });
});
