import { trimWhitespace } from '../fields/whitespace.ts';

/** The attributes of a gateway cookie. `secure` is true on https: the name then has the prefix `__Host-Http-`. */
export type CookieAttributes = {
  readonly secure: boolean;
  readonly sameSite: 'strict' | 'lax';
  /** Seconds; absent for a cookie that the browser deletes at the end of its own session. */
  readonly maxAge?: number;
};

/** The value of one cookie name in a Cookie header. `conflict`: the name occurs with two different values. */
export type CookieReading = { kind: 'absent' } | { kind: 'value'; value: string } | { kind: 'conflict' };

const absent: CookieReading = { kind: 'absent' };
const conflict: CookieReading = { kind: 'conflict' };

/**
 * The full name of a gateway cookie. The prefix makes browsers reject such a cookie from a sibling host, from a script or
 * over plain http; browsers that know only `__Host-` do not reject it from a script.
 */
export function cookieName(base: string, secure: boolean): string {
  return secure ? `__Host-Http-${base}` : base;
}

/**
 * Reads one cookie by its exact name, in time linear in the header.
 *
 * SECURITY: the order of cookies does not show who set them (RFC 6265bis, section 5.7): two different values are
 * a conflict, and a cookie without a name does not count as one with a name.
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

/** A token (RFC 9110, section 5.6.2): the only names that a Set-Cookie header may carry. */
const token = /^[!#$%&'*+.^_`|~\w-]+$/;

/** The valid cookie names in a Cookie header that start with `prefix`. */
export function cookieNamesStartingWith(header: string | undefined, prefix: string): string[] {
  if (header === undefined || !header.includes(prefix)) return [];
  const names = header.split(';').map(nameOf);
  return [...new Set(names.filter((name) => name.startsWith(prefix) && token.test(name)))];
}

/** The name of a `name=value` pair in a Cookie or Set-Cookie header; empty if there is none. */
export function nameOf(pair: string): string {
  return trimWhitespace(pair.slice(0, Math.max(0, pair.indexOf('='))));
}

/** Gives a Set-Cookie value: HttpOnly, `Path=/`, never a Domain. */
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
 * Gives the Set-Cookie value that deletes a cookie. With other attributes than those it was set with, the browser keeps it
 * (CVE-2025-55162).
 */
export function clearCookie(name: string, attributes: CookieAttributes): string {
  return writeCookie(name, '', { ...attributes, maxAge: 0 });
}
