import pino from 'pino';
import { expect, it } from 'vitest';

it('pino 10 does not buffer as much as it may write at once, so that lines are buffered up to half of that', () => {
  const gather = (minLength: number) => () => pino.destination({ dest: 1, sync: false, minLength });
  expect(gather(16_384)).toThrow('minLength should be smaller than maxWrite (16384)');
  expect(gather(8_192)).not.toThrow();
});
