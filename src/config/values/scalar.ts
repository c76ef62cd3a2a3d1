import { z } from 'zod';

/** Text that is not empty. */
export function text(expected: string) {
  return z.string(expected).min(1, expected);
}

/** Text of a given shape. */
export function shaped(pattern: RegExp, expected: string) {
  return z.string(expected).regex(pattern, expected);
}

/** One of a few words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, `expected one of ${words.join(', ')}`);
}

/** A boolean; also the texts `true` and `false`, so that an environment variable can supply it. */
export function flag() {
  const parse = (value: boolean | 'true' | 'false') =>
    value === 'true' ? true : value === 'false' ? false : value;
  return z.preprocess(parse, z.boolean('expected true or false'));
}

/** A whole number within bounds; also its digits as text, so that an environment variable can supply it. */
export function integer({ min, max, expected = expectedInteger(min, max) }: IntegerRange) {
  const parse = (value: number | `${number}`) =>
    typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  const schema = z.int(expected).min(min, expected);
  return z.preprocess(parse, max === undefined ? schema : schema.max(max, expected));
}

/** A number within bounds; also its digits as text, so that an environment variable can supply it. */
export function fraction() {
  const expected = 'expected a number from 0 to 1';
  const parse = (value: number | `${number}`) =>
    typeof value === 'string' && /^\d(?:\.\d{1,15})?$/.test(value) ? Number(value) : value;
  return z.preprocess(parse, z.number(expected).min(0, expected).max(1, expected));
}

type IntegerRange = { min: number; max?: number; expected?: string };

function expectedInteger(min: number, max: number | undefined): string {
  return max === undefined
    ? `expected a whole number, at least ${min}`
    : `expected a whole number from ${min} to ${max}`;
}
