import { describe, expect, it } from 'vitest';
import { createWriteBatch } from '../../../src/performance/write-batch.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('the end of a turn of the event loop', () => {
  it('runs what was put off to it, once, in the order in which that came', async () => {
    const turn = createWriteBatch();
    const done: string[] = [];
    turn.add(() => done.push('first'));
    turn.add(() => done.push('second'));
    await Promise.resolve();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
    await nextTurn();
    expect(done).toHaveLength(2);
  });

  it('leaves what a task puts off to the end of the next turn', async () => {
    const turn = createWriteBatch();
    const done: string[] = [];
    turn.add(() => {
      done.push('first');
      turn.add(() => done.push('second'));
    });
    await nextTurn();
    expect(done).toEqual(['first']);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
  });
});
