import { expect, it } from 'vitest';
import { createLastMinute } from '../../../src/observability/metrics/last-minute.ts';

it('the sum of the last minute forgets what is older, also after a long pause', () => {
  let nowMs = 5_000;
  const minute = createLastMinute(() => nowMs);
  minute.add(1);
  minute.add(0.5);
  nowMs += 30_000;
  minute.add(2);
  expect(minute.sum()).toBe(3.5);
  nowMs += 29_000;
  expect(minute.sum()).toBe(3.5);
  nowMs += 1_000;
  expect(minute.sum()).toBe(2);
  nowMs += 10_000_000;
  expect(minute.sum()).toBe(0);
  minute.add(1);
  expect(minute.sum()).toBe(1);
});
