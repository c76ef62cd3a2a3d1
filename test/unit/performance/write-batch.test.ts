import { describe, expect, it } from 'vitest';
import { createTurn } from '../../../src/performance/write-batch.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('the end of a turn of the event loop', () => {
  it('runs what was put off to it, once, in the order in which that came', async () => {
    const turn = createTurn();
    const done: string[] = [];
    turn.atEnd(() => done.push('first'));
    turn.atEnd(() => done.push('second'));
    await Promise.resolve();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
    await nextTurn();
    expect(done).toHaveLength(2);
  });

  it('leaves what a task puts off to the end of the next turn', async () => {
    const turn = createTurn();
    const done: string[] = [];
    turn.atEnd(() => {
      done.push('first');
      turn.atEnd(() => done.push('second'));
    });
    await nextTurn();
    expect(done).toEqual(['first']);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
  });
});
