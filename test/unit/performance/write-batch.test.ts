import { describe, expect, it } from 'vitest';
import { createWriteBatch } from '../../../src/performance/write-batch.ts';

const nextIteration = () => new Promise((resolve) => setImmediate(resolve));

describe('a write batch', () => {
  it('a write batch runs its tasks once, in order, at the end of the turn', async () => {
    const batch = createWriteBatch();
    const done: string[] = [];
    batch.add(() => done.push('first'));
    batch.add(() => done.push('second'));
    await Promise.resolve();
    expect(done).toEqual([]);
    await nextIteration();
    expect(done).toEqual(['first', 'second']);
    await nextIteration();
    expect(done).toHaveLength(2);
  });

  it('a write batch runs a task added by another task at the end of the next turn', async () => {
    const batch = createWriteBatch();
    const done: string[] = [];
    batch.add(() => {
      done.push('first');
      batch.add(() => done.push('second'));
    });
    await nextIteration();
    expect(done).toEqual(['first']);
    await nextIteration();
    expect(done).toEqual(['first', 'second']);
  });
});
