import { shaped } from './scalar.ts';

/** The keys and indexes that lead to a value inside a JSON document. */
export type JsonPointer = readonly string[];

/** A JSON Pointer (RFC 6901), such as `/data/tokens/0`; parsed, it is a {@link JsonPointer}. */
export function jsonPointer() {
  return shaped(
    /^(?:\/(?:[^~/]|~[01])*)+$/,
    'expected a JSON Pointer, such as /data/token (RFC 6901)',
  ).transform((text): JsonPointer =>
    // "~1" before "~0", so that "~01" is "~1" (section 4).
    text
      .slice(1)
      .split('/')
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')),
  );
}
