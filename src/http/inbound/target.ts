import { GatewayError } from '../../errors.ts';

/** A checked request target. The gateway forwards exactly the bytes that it checked. */
export type Target = {
  /** The path as received, never decoded or normalised. */
  readonly path: string;
  /** The query with its question mark, or the empty string. */
  readonly query: string;
};

/** Printable ASCII without `#`, and no backslash in the path. Browsers send some characters that RFC 3986 forbids. */
const allowed = /^\/[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*(?:\?[\x21\x22\x24-\x7e]*)?$/;
/** Matches paths that two parsers could read differently; only these get the full check. */
const suspicious = /%|\/\.|\.\.|\/\//;
/** Bytes that occur only in overlong UTF-8, which lenient decoders accept (RFC 3629). */
const overlongUtf8 = /[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/;

/**
 * Checks the target of a request and splits it.
 *
 * SECURITY: origin-form only (RFC 9112, section 3.2.1). The gateway rejects, and never repairs, a path in which any hop
 * could see a dot segment, a control character or a backslash after decoding it once or twice (CVE-2021-21322,
 * CVE-2026-48020, CVE-2026-85124 and similar).
 */
export function parseTarget(url: string | undefined): Target {
  if (url === undefined || !allowed.test(url))
    throw reject('The request target is not a path on this server.');
  const queryAt = url.indexOf('?');
  const path = queryAt === -1 ? url : url.slice(0, queryAt);
  if (suspicious.test(path)) checkPath(path);
  return { path, query: queryAt === -1 ? '' : url.slice(queryAt) };
}

/** Rejects a path of an endpoint of the gateway's own whose bytes are not UTF-8; an API may name its resources otherwise. */
export function checkUtf8(path: string): void {
  try {
    decodeURIComponent(path);
  } catch (cause) {
    throw new GatewayError('bad_request', {
      detail: 'The path contains a malformed percent-encoding.',
      cause,
    });
  }
}

function checkPath(path: string): void {
  if (path.startsWith('//')) throw reject('The path begins with an empty segment.');
  let decoded = path;
  for (let round = 0; round < 3; round += 1) {
    if (hasDotSegment(decoded)) throw reject('The path contains a dot segment, plain or encoded.');
    if (!decoded.includes('%')) return;
    decoded = decodeOnce(decoded, round === 0);
    if (overlongUtf8.test(decoded)) throw reject('The path contains an overlong character encoding.');
  }
}

/**
 * True for a dot segment. `..;` and, decoded, `..#` and `..?` count as dot segments: some servers strip a segment's parameters, a
 * fragment or a query before they resolve it.
 */
export function hasDotSegment(path: string): boolean {
  return path.split(/[/\\]/).some((segment) => {
    const name = segment.split(/[;?#]/, 1)[0];
    return name === '.' || name === '..';
  });
}

/** Decodes each `%xx` to one character. Only the client's own encoding must be well formed, so only round one is strict. */
function decodeOnce(path: string, strict: boolean): string {
  if (strict && /%(?![0-9A-Fa-f]{2})/.test(path))
    throw reject('The path contains a malformed percent-encoding.');
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) => {
    const code = Number.parseInt(hex, 16);
    // Control characters, DEL and the backslash.
    if (code < 0x20 || code === 0x7f || code === 0x5c) {
      throw reject('The path contains a forbidden encoded character.');
    }
    return String.fromCharCode(code);
  });
}

function reject(detail: string): GatewayError {
  return new GatewayError('bad_request', { detail });
}
