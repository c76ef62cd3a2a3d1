import { z } from 'zod';

/** An amount of memory or transfer in bytes. */
export type Bytes = number;

const unitBytes = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;
const pattern = /^(\d{1,12})([kmg]?b|[KMG]?B)?$/;
const expected = 'expected a size such as 64kb or 1mb, or a number of bytes';

/** Parses `64kb`, `1mb`, `512` and the like (1kb is 1024 bytes); undefined for any other text. */
export function parseSize(text: string): Bytes | undefined {
  const [, amount, unit = 'b'] = pattern.exec(text) ?? [];
  const scale = Object.entries(unitBytes).find(([name]) => name === unit.toLowerCase())?.[1];
  const bytes = Number(amount) * (scale ?? NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size, parsed to bytes. */
export function size() {
  return z
    .union([z.int(expected).min(0, expected), z.string(expected).regex(pattern, expected)], expected)
    .transform((value, context) => {
      const bytes = parseSize(String(value));
      if (bytes !== undefined) return bytes;
      context.addIssue(expected);
      return z.NEVER;
    });
}
