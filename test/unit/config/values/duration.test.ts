import { describe, expect, it } from 'vitest';
import { duration, formatDuration, parseDuration } from '../../../../src/config/values/duration.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['0s', 0],
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('reads the duration %s as %i milliseconds and prints it the same way', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(text);
  });

  it.each(['', '5', '5 s', '-5s', '1.5h', '5S', '1w', '1h30m', 's', ' 5s', '5s\n'])(
    'rejects the duration %o',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it('rejects durations out of range; the default range is what a timer supports', () => {
    expect(duration().safeParse('24d').success).toBe(true);
    expect(duration().safeParse('25d').success).toBe(false);
    expect(duration({ max: 3_000 }).safeParse('4s').success).toBe(false);
    expect(duration({ min: 1 }).safeParse('0s').success).toBe(false);
  });

  it('states the expected range of a duration', () => {
    const { error } = duration({ min: 1_000, max: 60_000 }).safeParse(30);
    expect(error?.issues[0]?.message).toBe(
      'expected a duration such as 500ms, 30s, 15m, 12h or 7d, at least 1s, at most 1m',
    );
  });
});
