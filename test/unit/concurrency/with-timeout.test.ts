import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withTimeout } from '../../../src/concurrency/with-timeout.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a promise with a time-out', () => {
  it('withTimeout resolves as the promise does and leaves no timer behind', async () => {
    expect(await withTimeout(Promise.resolve('value'), 1_000)).toBe('value');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('withTimeout rejects as the promise does and leaves no timer behind', async () => {
    await expect(withTimeout(Promise.reject(new Error('failed')), 1_000)).rejects.toThrow('failed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('withTimeout resolves with undefined when the time is up, and not earlier', async () => {
    const results: unknown[] = [];
    void withTimeout(Promise.withResolvers<string>().promise, 1_000).then((result) => results.push(result));
    await vi.advanceTimersByTimeAsync(999);
    expect(results).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(results).toEqual([undefined]);
  });

  it('withTimeout ignores a rejection after the time is up', async () => {
    const { promise, reject } = Promise.withResolvers<string>();
    const result = withTimeout(promise, 1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await result).toBeUndefined();
    reject(new Error('too late'));
    await vi.advanceTimersByTimeAsync(0);
  });
});
