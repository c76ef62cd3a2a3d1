import { GatewayError } from '../../errors.ts';

/** A request target that has been checked: what is decided on is what is forwarded, byte for byte. */
export type Target = {
  /** The path as it came, never decoded or normalised. */
  readonly path: string;
  /** The query with its question mark, or the empty string. */
  readonly query: string;
};

/** Printable ASCII without `#`; in the path no backslash either. Browsers send more than RFC 3986 allows, but no less. */
const allowed = /^\/[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*(?:\?[\x21\x22\x24-\x7e]*)?$/;
/** Anything that could make a second reader see another path than the first: only such paths are looked at closely. */
const suspicious = /%|\/\.|\.\.|\/\//;
/** Bytes that UTF-8 has only in encodings longer than need be, which some readers take for the character (RFC 3629). */
const overlong = /[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/;

/**
 * Checks the target of a request and splits it.
 *
 * SECURITY: origin-form only (RFC 9112, section 3.2.1). A path is refused, never repaired, when any reader between here
 * and the upstream could see a dot segment, a control character or a backslash in it, decoded once or twice
 * (CVE-2021-21322, CVE-2026-48020, CVE-2026-85124 and their kind).
 */
export function parseTarget(url: string | undefined): Target {
  if (url === undefined || !allowed.test(url))
    throw refuse('The request target is not a path on this server.');
  const queryAt = url.indexOf('?');
  const path = queryAt === -1 ? url : url.slice(0, queryAt);
  if (suspicious.test(path)) checkPath(path);
  return { path, query: queryAt === -1 ? '' : url.slice(queryAt) };
}

function checkPath(path: string): void {
  if (path.startsWith('//')) throw refuse('The path begins with an empty segment.');
  let seen = path;
  for (let round = 0; round < 3; round += 1) {
    if (hasDotSegment(seen)) throw refuse('The path contains a dot segment, plain or encoded.');
    if (!seen.includes('%')) return;
    seen = decodeOnce(seen, round === 0);
    if (overlong.test(seen)) throw refuse('The path contains an overlong character encoding.');
  }
}

/** `..;` counts: some servers take a segment's parameters off before they resolve it. */
function hasDotSegment(path: string): boolean {
  return path.split(/[/\\]/).some((segment) => {
    const bare = segment.split(';', 1)[0];
    return bare === '.' || bare === '..';
  });
}

/** Decodes each `%xx` to one character. Only the client's own encoding must be well formed; what it encoded may be text. */
function decodeOnce(path: string, strict: boolean): string {
  if (strict && /%(?![0-9A-Fa-f]{2})/.test(path))
    throw refuse('The path contains a malformed percent-encoding.');
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) => {
    const code = Number.parseInt(hex, 16);
    // Control characters, DEL and the backslash.
    if (code < 0x20 || code === 0x7f || code === 0x5c) {
      throw refuse('The path contains a forbidden encoded character.');
    }
    return String.fromCharCode(code);
  });
}

function refuse(detail: string): GatewayError {
  return new GatewayError('bad_request', { detail });
}
