/** Gives the path on this origin that a `returnTo` value means, or undefined when it may mean anything else. */
export type ReturnTo = (value: string | null | undefined) => string | undefined;

/** Longer than any path an app routes by, in characters. */
const MAX_LENGTH = 1_024;

/**
 * Accepts local paths only (RFC 9700, section 4.11.1): one leading slash, printable ASCII, no backslash, and the same
 * origin after a browser's own parser has had its say. What is returned is what that parser makes of it, so what was
 * checked is what is sent. The gateway's own endpoints are no place to return to.
 */
export function createReturnTo(baseUrl: string, prefix: string): ReturnTo {
  return (value) => {
    if (value === null || value === undefined || value.length > MAX_LENGTH) return undefined;
    // SECURITY: browsers drop tabs and line breaks and read "\" as "/": none of them may be in it.
    if (!/^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(value)) return undefined;
    if (!URL.canParse(value, baseUrl)) return undefined;
    const { origin, pathname, search, hash } = new URL(value, baseUrl);
    // Dot segments may have left an empty first segment, which a browser would read as a host.
    if (origin !== baseUrl || pathname.startsWith('//')) return undefined;
    if (pathname === prefix || pathname.startsWith(`${prefix}/`)) return undefined;
    const path = `${pathname}${search}${hash}`;
    // The parser has percent-encoded some characters, which makes three of one.
    return path.length > MAX_LENGTH ? undefined : path;
  };
}
