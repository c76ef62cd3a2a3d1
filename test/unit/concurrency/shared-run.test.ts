import { describe, expect, it } from 'vitest';
import { shareRuns } from '../../../src/concurrency/shared-run.ts';

/** A shared function, and its runs, which the test ends. */
function openRuns() {
  const runs: PromiseWithResolvers<string>[] = [];
  const shared = shareRuns(() => {
    const run = Promise.withResolvers<string>();
    runs.push(run);
    return run.promise;
  });
  return { runs, shared };
}

describe('a shared run', () => {
  it('a shared run gives its result to every call during it, and the next call begins another run', async () => {
    const { runs, shared } = openRuns();
    const results = [shared(), shared()];
    expect(runs).toHaveLength(1);
    runs[0]?.resolve('first');
    expect(await Promise.all(results)).toEqual(['first', 'first']);
    const next = shared();
    expect(runs).toHaveLength(2);
    runs[1]?.resolve('second');
    expect(await next).toBe('second');
  });

  it('a shared run gives its error to every call during it, and the next call begins another run', async () => {
    const { runs, shared } = openRuns();
    const results = [shared(), shared()];
    runs[0]?.reject(new Error('failed'));
    const settled = await Promise.allSettled(results);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = shared();
    runs[1]?.resolve('second');
    expect(await next).toBe('second');
  });

  it('a shared run shares nothing with that of another function', async () => {
    const [one, other] = [openRuns(), openRuns()];
    void one.shared();
    const result = other.shared();
    other.runs[0]?.resolve('other');
    expect(await result).toBe('other');
    expect(one.runs).toHaveLength(1);
  });
});
