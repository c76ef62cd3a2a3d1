import { describe, expect, it } from 'vitest';
import { createLeakyBuckets } from '../../../src/concurrency/leaky-bucket.ts';
import { createTestClock } from '../clock.ts';

function openBuckets() {
  const clock = createTestClock();
  return { clock, buckets: createLeakyBuckets({ sizeMs: 300, costMs: 100, clock: clock.now }) };
}

const takeOften = (buckets: ReturnType<typeof createLeakyBuckets>, times: number) =>
  Array.from({ length: times }, () => buckets.tryTake('a'));

describe('a leaky bucket', () => {
  it('a leaky bucket accepts its size at once and then returns the wait until the next use', () => {
    const { buckets } = openBuckets();
    expect(takeOften(buckets, 5)).toEqual([0, 0, 0, 100, 100]);
  });

  it('a leaky bucket drains steadily, whether or not uses are rejected meanwhile', () => {
    const { buckets, clock } = openBuckets();
    takeOften(buckets, 3);
    clock.advance(99);
    expect(buckets.tryTake('a')).toBe(1);
    clock.advance(1);
    expect(takeOften(buckets, 2)).toEqual([0, 100]);
    clock.advance(1_000);
    expect(takeOften(buckets, 4)).toEqual([0, 0, 0, 100]);
  });

  it('a leaky bucket belongs to one subject', () => {
    const { buckets } = openBuckets();
    takeOften(buckets, 4);
    expect(buckets.tryTake('b')).toBe(0);
  });

  it('a blocked bucket accepts uses after the block, and a longer block stays in place', () => {
    const { buckets, clock } = openBuckets();
    buckets.block('a', 50);
    expect(buckets.tryTake('a')).toBe(50);
    buckets.block('a', 500);
    buckets.block('a', 10);
    expect(buckets.tryTake('a')).toBe(500);
    clock.advance(500);
    expect(takeOften(buckets, 2)).toEqual([0, 100]);
  });

  it('a leaky bucket accepts one more use after a use is returned, and never more than its size', () => {
    const { buckets } = openBuckets();
    takeOften(buckets, 3);
    buckets.giveBack('a');
    expect(takeOften(buckets, 2)).toEqual([0, 100]);
    for (let time = 0; time < 9; time += 1) buckets.giveBack('a');
    expect(takeOften(buckets, 4)).toEqual([0, 0, 0, 100]);
    buckets.giveBack('b');
    expect(buckets.tryTake('b')).toBe(0);
  });

  it('a leaky bucket is kept among very many others until it is empty', () => {
    const { buckets, clock } = openBuckets();
    takeOften(buckets, 3);
    for (let other = 0; other < 50_000; other += 1) buckets.tryTake(`other ${other}`);
    expect(buckets.tryTake('a')).toBe(100);
    clock.advance(300);
    for (let other = 0; other < 50_000; other += 1) buckets.tryTake(`later ${other}`);
    expect(takeOften(buckets, 4)).toEqual([0, 0, 0, 100]);
  });

  it('the bucket with the oldest use is dropped when there are too many', () => {
    const { buckets } = openBuckets();
    takeOften(buckets, 3);
    for (let other = 0; other < 99_999; other += 1) buckets.tryTake(`other ${other}`);
    expect(buckets.tryTake('a')).toBe(100);
    buckets.tryTake('one too many');
    expect(buckets.tryTake('a')).toBe(0);
  });
});
