import { z } from 'zod';

/** A duration in milliseconds. */
export type Milliseconds = number;

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const pattern = /^(\d{1,9})(ms|s|m|h|d)$/;

/** The longest time that a timer of Node.js can wait, rounded down to whole days. */
const longestTimerMs: Milliseconds = 24 * unitMs.d;

/** Parses `500ms`, `30s`, `15m`, `12h`, `7d` and the like; undefined for any other text. */
export function parseDuration(text: string): Milliseconds | undefined {
  const [, amount, unit] = pattern.exec(text) ?? [];
  const scale = Object.entries(unitMs).find(([name]) => name === unit)?.[1];
  return scale === undefined ? undefined : Number(amount) * scale;
}

/** Formats a duration in the largest unit that keeps it whole: 90000 is `90s`, 3600000 is `1h`. */
export function formatDuration(ms: Milliseconds): string {
  const units = Object.entries(unitMs).toReversed();
  const [unit, scale] = units.find(([, each]) => ms !== 0 && ms % each === 0) ?? ['s', unitMs.s];
  return `${ms / scale}${unit}`;
}

/**
 * A duration, parsed to milliseconds.
 *
 * @param range - the shortest and the longest accepted; by default from `0s` to the longest time that a timer can wait.
 */
export function duration({ min = 0, max = longestTimerMs }: { min?: Milliseconds; max?: Milliseconds } = {}) {
  const expected =
    'expected a duration such as 500ms, 30s, 15m, 12h or 7d' +
    (min > 0 ? `, at least ${formatDuration(min)}` : '') +
    `, at most ${formatDuration(max)}`;
  return z
    .string(expected)
    .regex(pattern, expected)
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined && ms >= min && ms <= max) return ms;
      context.addIssue(expected);
      return z.NEVER;
    });
}
