import { withoutAuthError } from '../http/problem/auth-error.ts';

/** Returns the local path of a `returnTo` value, or undefined when it could lead to another origin. */
export type ReturnTo = (value: string | null | undefined) => string | undefined;

/** In characters. */
const MAX_LENGTH = 1_024;

/**
 * Accepts local paths only (RFC 9700, section 4.11.1): one leading slash, printable ASCII, no backslash, and the same
 * origin after URL parsing. Returns the parsed form, so that the browser gets exactly what was checked. Rejects the
 * gateway's own endpoints, and forgets the failure of an earlier sign-in.
 */
export function createReturnTo(baseUrl: string, prefix: string): ReturnTo {
  return (value) => {
    if (value === null || value === undefined || value.length > MAX_LENGTH) return undefined;
    // SECURITY: browsers drop tabs and line breaks and read "\" as "/", so the value must contain none of them.
    if (!/^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(value)) return undefined;
    if (!URL.canParse(value, baseUrl)) return undefined;
    const { origin, pathname, search, hash } = new URL(value, baseUrl);
    // Resolving dot segments can leave an empty first segment, which a browser would read as a host.
    if (origin !== baseUrl || pathname.startsWith('//')) return undefined;
    if (pathname === prefix || pathname.startsWith(`${prefix}/`)) return undefined;
    const path = withoutAuthError(`${pathname}${search}${hash}`);
    // Percent-encoding turns one character into three.
    return path.length > MAX_LENGTH ? undefined : path;
  };
}
