import { trimWhitespace } from '../fields/whitespace.ts';

/** How a cookie of the gateway is written. `secure` is true on https: the name then carries the `__Host-Http-` prefix. */
export type CookieAttributes = {
  readonly secure: boolean;
  readonly sameSite: 'strict' | 'lax';
  /** Seconds; absent for a cookie that ends with the browser's session. */
  readonly maxAge?: number;
};

/** What a Cookie header says of one name. `conflict`: two different values, and no way to tell which is ours. */
export type CookieReading = { kind: 'absent' } | { kind: 'value'; value: string } | { kind: 'conflict' };

const absent: CookieReading = { kind: 'absent' };
const conflict: CookieReading = { kind: 'conflict' };

/**
 * The full name of a cookie of ours. The prefix makes browsers refuse such a cookie from a sibling host, from script, or
 * over plain http; browsers that know only `__Host-` enforce that much.
 */
export function cookieName(base: string, secure: boolean): string {
  return secure ? `__Host-Http-${base}` : base;
}

/**
 * Reads one cookie by its exact name, in time linear in the header.
 *
 * SECURITY: the order of cookies tells nothing about who set them (RFC 6265bis, section 5.7): two values that differ are
 * a conflict, and a cookie without a name is not read as one with a name.
 */
export function readCookie(header: string | undefined, name: string): CookieReading {
  if (header === undefined || !header.includes(name)) return absent;
  let found: string | undefined;
  for (const part of header.split(';')) {
    const equals = part.indexOf('=');
    if (equals === -1 || trimWhitespace(part.slice(0, equals)) !== name) continue;
    const value = trimWhitespace(part.slice(equals + 1));
    if (found !== undefined && found !== value) return conflict;
    found = value;
  }
  return found === undefined || found === '' ? absent : { kind: 'value', value: found };
}

/** A token (RFC 9110, section 5.6.2): what the name of a cookie has to be for anybody to write it. */
const token = /^[!#$%&'*+.^_`|~\w-]+$/;

/** Every cookie name of a header that starts with `prefix`, and that may be written back. */
export function cookieNamesStartingWith(header: string | undefined, prefix: string): string[] {
  if (header === undefined || !header.includes(prefix)) return [];
  const names = header.split(';').map(nameOf);
  return [...new Set(names.filter((name) => name.startsWith(prefix) && token.test(name)))];
}

/** The name of a `name=value` pair, of a Cookie or a Set-Cookie header; empty where there is none. */
export function nameOf(pair: string): string {
  return trimWhitespace(pair.slice(0, Math.max(0, pair.indexOf('='))));
}

/** Writes a Set-Cookie value: HttpOnly, `Path=/`, never a Domain. */
export function writeCookie(name: string, value: string, attributes: CookieAttributes): string {
  const { secure, sameSite, maxAge } = attributes;
  return [
    `${name}=${value}`,
    'Path=/',
    ...(maxAge === undefined ? [] : [`Max-Age=${maxAge}`]),
    'HttpOnly',
    ...(secure ? ['Secure'] : []),
    `SameSite=${sameSite === 'strict' ? 'Strict' : 'Lax'}`,
  ].join('; ');
}

/**
 * Writes the Set-Cookie value that removes a cookie: the attributes it was set with, or the browser keeps it
 * (CVE-2025-55162).
 */
export function clearCookie(name: string, attributes: CookieAttributes): string {
  return writeCookie(name, '', { ...attributes, maxAge: 0 });
}
