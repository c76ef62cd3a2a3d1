import { splitList } from '../fields/whitespace.ts';

/**
 * Fields of one connection, which are never forwarded (RFC 9110, section 7.6.1), and fields that only a proxy may act on.
 * The gateway handles `Expect` itself and negotiates `TE` and `Trailer` separately for each connection.
 */
export const hopByHop: readonly string[] = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
  'http2-settings',
  'expect',
];

/**
 * Fields that frame, route, authenticate or control a message, which are useless or harmful in a trailer section
 * (RFC 9110, section 6.5.1). Digests are allowed there, unlike the other `content-` fields.
 */
const headOnly =
  /^(?:host|trailer|content-(?:encoding|length|range|type|disposition)|(?:proxy-)?auth.*|www-authenticate|(?:set-)?cookie|age|date|expires|vary|warning|pragma|cache-control|max-forwards|location|retry-after|range|if-.*)$/;

/** True if a field is allowed in a trailer section. `name` is in lower case. */
export function mayTrail(name: string): boolean {
  return !headOnly.test(name) && !hopByHop.includes(name);
}

/** Caches the result of `judge` per header name: names recur, and a lookup costs less than the test. */
export function rememberNames<Result>(judge: (name: string) => Result): (name: string) => Result {
  const results = new Map<string, Result>();
  return (name) => {
    const cached = results.get(name);
    if (cached !== undefined) return cached;
    const result = judge(name);
    // Clients choose the names, so the cache needs limits, also of their length. It evicts nothing: a hostile client could otherwise push out
    // the names that honest clients use.
    if (results.size < 1_000 && name.length <= 64) results.set(copyOf(name), result);
    return result;
  };
}

/** A copy that is no part of a larger text: V8 would keep the whole head of a message for one of its names. */
function copyOf(name: string): string {
  return Buffer.from(name, 'utf8').toString('utf8');
}

/** Removes fields from a flat list of names and values. `isRemoved` gets each name in lower case. */
export function withoutFields(fields: readonly string[], isRemoved: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (!isRemoved(name.toLowerCase())) kept.push(name, fields[index + 1] ?? '');
  }
  return kept;
}

/** The field names that `Connection` lists (RFC 9110, section 7.6.1), in lower case. */
export function nominatedBy(
  connection: string | readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (connection === undefined) return undefined;
  const value = typeof connection === 'string' ? connection : connection.join(',');
  if (/^(?:keep-alive|close|upgrade)$/i.test(value)) return undefined;
  return new Set(splitList(value).map((name) => name.toLowerCase()));
}
