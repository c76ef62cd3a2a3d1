import { z } from 'zod';
import { quoteKey } from '../../diagnostics/key-path.ts';
import { nearest } from '../../diagnostics/nearest.ts';

/**
 * A mapping with a fixed set of keys: an unknown key is an issue that suggests the nearest known key.
 *
 * The message of an `unrecognized_keys` issue contains one line per key, in the order of the issue's `keys`.
 */
export function section<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, known)).join('\n')
        : `expected a mapping with the keys ${known.join(', ')}`,
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = nearest(key, known);
  const advice =
    suggestion === undefined ? `known keys here: ${known.join(', ')}` : `did you mean "${suggestion}"?`;
  return `unknown key ${quoteKey(key)}; ${advice}`;
}
