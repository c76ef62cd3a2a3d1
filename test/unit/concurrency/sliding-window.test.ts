import { describe, expect, it } from 'vitest';
import { createSlidingWindow } from '../../../src/concurrency/sliding-window.ts';
import { createTestClock } from '../clock.ts';

function openWindow(perMinute: number) {
  const clock = createTestClock();
  return { window: createSlidingWindow({ perMinute, clock: clock.now }), clock };
}

describe('the rate', () => {
  it('grants so many in a minute, and then tells when one more is allowed', () => {
    const { window, clock } = openWindow(2);
    expect(window.take('k1')).toBe(0);
    clock.advance(10_000);
    expect(window.take('k1')).toBe(0);
    clock.advance(10_000);
    expect(window.take('k1')).toBe(40_000);
  });

  it('counts nothing that it does not grant, and lets the minute slide', () => {
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

  it('grants never more in any minute, however the requests fall', () => {
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

  it('counts every session for itself', () => {
    const { window } = openWindow(1);
    expect(window.take('k1')).toBe(0);
    expect(window.take('k2')).toBe(0);
    expect(window.take('k1')).toBe(60_000);
  });
});
