import { afterEach, describe, expect, it, vi } from 'vitest';
import { backoffMs, jittered, unjitteredBackoffMs } from '../../../src/concurrency/backoff.ts';

afterEach(() => vi.restoreAllMocks());

const range = { firstMs: 100, longestMs: 1_000 };
const atRandom = (value: number) => vi.spyOn(Math, 'random').mockReturnValue(value);

describe('a back-off', () => {
  it('the back-off doubles its pause with each failure, up to the maximum', () => {
    atRandom(1);
    expect([1, 2, 3, 4, 5, 6].map((failures) => backoffMs(failures, range))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
  });

  it('the back-off shortens each pause by up to a quarter, including the longest', () => {
    atRandom(0);
    expect([1, 2, 9].map((failures) => backoffMs(failures, range))).toEqual([75, 150, 750]);
  });

  it('the back-off stays within its maximum and three quarters of its first pause', () => {
    for (let failures = 1; failures <= 200; failures += 1) {
      const pauseMs = backoffMs(failures, range);
      expect(pauseMs).toBeGreaterThanOrEqual(75);
      expect(pauseMs).toBeLessThanOrEqual(1_000);
    }
  });

  it('the back-off starts with the first pause when nothing has failed yet', () => {
    expect(unjitteredBackoffMs(0, range)).toBe(100);
  });

  it('the back-off stays finite after any number of failures', () => {
    const unbounded = { firstMs: 1, longestMs: Infinity };
    expect(Number.isFinite(unjitteredBackoffMs(1e9, unbounded))).toBe(true);
  });
});

describe('jitter', () => {
  it.each([
    [0, 75, 50, 0],
    [0.5, 87.5, 100, 500],
    [1, 100, 150, 1_000],
  ])('jitter spreads a duration over its bounds: random %d', (random, byDefault, around, upTo) => {
    atRandom(random);
    expect(jittered(100)).toBe(byDefault);
    expect(jittered(100, 0.5, 1.5)).toBe(around);
    expect(jittered(1_000, 0, 1)).toBe(upTo);
  });
});
