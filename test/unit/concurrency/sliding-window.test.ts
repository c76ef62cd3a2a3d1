import { describe, expect, it } from 'vitest';
import { createSlidingWindow } from '../../../src/concurrency/sliding-window.ts';
import { createTestClock } from '../clock.ts';

function openWindow(perMinute: number) {
  const clock = createTestClock();
  return { window: createSlidingWindow({ perMinute, clock: clock.now }), clock };
}

describe('a sliding window', () => {
  it('a sliding window grants its number of uses per minute and then returns the wait until the next one', () => {
    const { window, clock } = openWindow(2);
    expect(window.take('k1')).toBe(0);
    clock.advance(10_000);
    expect(window.take('k1')).toBe(0);
    clock.advance(10_000);
    expect(window.take('k1')).toBe(40_000);
  });

  it('a sliding window does not count rejected uses, and its minute slides', () => {
    const { window, clock } = openWindow(2);
    window.take('k1');
    clock.advance(30_000);
    window.take('k1');
    for (let again = 0; again < 10; again += 1) window.take('k1');
    clock.advance(29_999);
    expect(window.take('k1')).toBe(1);
    clock.advance(1);
    expect(window.take('k1')).toBe(0);
    expect(window.take('k1')).toBe(30_000);
  });

  it('a sliding window grants no more than its number in any minute, however uses are spread', () => {
    const { window, clock } = openWindow(5);
    const granted: number[] = [];
    for (let at = 0; at < 400; at += 1) {
      if (window.take('k1') === 0) granted.push(clock.now());
      clock.advance(((at * 7_919) % 13) * 250);
    }
    for (const [at, time] of granted.entries()) {
      const inMinute = granted.slice(at).filter((later) => later < time + 60_000);
      expect(inMinute.length).toBeLessThanOrEqual(5);
    }
    expect(granted.length).toBeGreaterThan(10);
  });

  it('a sliding window counts each session separately', () => {
    const { window } = openWindow(1);
    expect(window.take('k1')).toBe(0);
    expect(window.take('k2')).toBe(0);
    expect(window.take('k1')).toBe(60_000);
  });
});
