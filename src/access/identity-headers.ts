import type { JsonPointer } from '../config/values/json-pointer.ts';
import { claimAt, type Claims } from './claims.ts';

/** The longest value of an identity header, in bytes. A longer one is not sent: a part of a list would be another list. */
const MAX_LENGTH = 8_192;

/** Creates the identity headers of a route, as a flat list of names and values, from the claims of a session. Pure. */
export function createIdentityHeaders(
  headers: Readonly<Record<string, JsonPointer>>,
): (claims: Claims) => readonly string[] {
  const entries = Object.entries(headers);
  return (claims) =>
    entries.flatMap(([name, pointer]) => {
      const value = headerValueOf(claimAt(claims, pointer));
      return value === undefined ? [] : [name, value];
    });
}

/**
 * A claim as the value of a header field: percent-encoded, the items of a list joined by commas. Undefined for a claim that is
 * missing or empty, or has another type.
 */
export function headerValueOf(claim: unknown): string | undefined {
  const items: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  const texts = items.map(textOf);
  if (!texts.every((text) => text !== undefined)) return undefined;
  const value = texts.map(encode).join(',');
  return value === '' || value.length > MAX_LENGTH ? undefined : value;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** What would break a field, or be read differently after it: all but visible ASCII and blanks inside, and `%` and `,`. */
const unsafe = /[^\x20-\x7e]|[%,]|^ +| +$/gu;

/** SECURITY: the bytes of a claim can end neither its field nor its item of a list. */
function encode(text: string): string {
  return text.replace(unsafe, (part) =>
    Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
