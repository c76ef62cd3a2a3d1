import { describe, expect, it } from 'vitest';
import { createLeakyBuckets } from '../../../src/concurrency/leaky-bucket.ts';
import { createTestClock } from '../clock.ts';

function openBuckets() {
  const clock = createTestClock();
  return { clock, buckets: createLeakyBuckets({ sizeMs: 300, costMs: 100, clock: clock.now }) };
}

const pourOften = (buckets: ReturnType<typeof createLeakyBuckets>, times: number) =>
  Array.from({ length: times }, () => buckets.tryTake('a'));

describe('a bucket', () => {
  it('takes what it holds at once, and then tells how long one more has to wait', () => {
    const { buckets } = openBuckets();
    expect(pourOften(buckets, 5)).toEqual([0, 0, 0, 100, 100]);
  });

  it('runs out a little at a time, whether somebody pours in vain or not', () => {
    const { buckets, clock } = openBuckets();
    pourOften(buckets, 3);
    clock.advance(99);
    expect(buckets.tryTake('a')).toBe(1);
    clock.advance(1);
    expect(pourOften(buckets, 2)).toEqual([0, 100]);
    clock.advance(1_000);
    expect(pourOften(buckets, 4)).toEqual([0, 0, 0, 100]);
  });

  it('is one subject’s only', () => {
    const { buckets } = openBuckets();
    pourOften(buckets, 4);
    expect(buckets.tryTake('b')).toBe(0);
  });

  it('that is filled has room after the time it was filled for, and a fuller one stays as it is', () => {
    const { buckets, clock } = openBuckets();
    buckets.block('a', 50);
    expect(buckets.tryTake('a')).toBe(50);
    buckets.block('a', 500);
    buckets.block('a', 10);
    expect(buckets.tryTake('a')).toBe(500);
    clock.advance(500);
    expect(pourOften(buckets, 2)).toEqual([0, 100]);
  });

  it('has room for one more use after a use is given back, and never more than its size', () => {
    const { buckets } = openBuckets();
    pourOften(buckets, 3);
    buckets.giveBack('a');
    expect(pourOften(buckets, 2)).toEqual([0, 100]);
    for (let time = 0; time < 9; time += 1) buckets.giveBack('a');
    expect(pourOften(buckets, 4)).toEqual([0, 0, 0, 100]);
    buckets.giveBack('b');
    expect(buckets.tryTake('b')).toBe(0);
  });

  it('is remembered among very many others, as long as it is not dry', () => {
    const { buckets, clock } = openBuckets();
    pourOften(buckets, 3);
    for (let other = 0; other < 50_000; other += 1) buckets.tryTake(`other ${other}`);
    expect(buckets.tryTake('a')).toBe(100);
    clock.advance(300);
    for (let other = 0; other < 50_000; other += 1) buckets.tryTake(`later ${other}`);
    expect(pourOften(buckets, 4)).toEqual([0, 0, 0, 100]);
  });

  it('gives way to others when there are too many of them, the one that was quiet longest first', () => {
    const { buckets } = openBuckets();
    pourOften(buckets, 3);
    for (let other = 0; other < 99_999; other += 1) buckets.tryTake(`other ${other}`);
    expect(buckets.tryTake('a')).toBe(100);
    buckets.tryTake('one too many');
    expect(buckets.tryTake('a')).toBe(0);
  });
});
