import { splitList } from '../fields/whitespace.ts';

/**
 * Fields that concern one connection and never pass (RFC 9110, section 7.6.1), with those that only a proxy may act on.
 * The gateway handles `Expect` itself; `TE` and `Trailer` are negotiated for each connection.
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
 * Fields that frame, route, authenticate or control a message, and so mean nothing behind its body, or harm
 * (RFC 9110, section 6.5.1). Digests may trail, unlike the other fields that begin with `content-`.
 */
const headOnly =
  /^(?:host|trailer|content-(?:encoding|length|range|type|disposition)|(?:proxy-)?auth.*|www-authenticate|(?:set-)?cookie|age|date|expires|vary|warning|pragma|cache-control|max-forwards|location|retry-after|range|if-.*)$/;

/** Tells whether a field may stand in a trailer section, by its name in lower case. */
export function mayTrail(name: string): boolean {
  return !headOnly.test(name) && !hopByHop.includes(name);
}

/** Remembers what became of each header name: they recur, and testing one costs more than looking it up. */
export function rememberNames<Verdict>(judge: (name: string) => Verdict): (name: string) => Verdict {
  const verdicts = new Map<string, Verdict>();
  return (name) => {
    const known = verdicts.get(name);
    if (known !== undefined) return known;
    const verdict = judge(name);
    // Clients choose names: a bound keeps the memory of a hostile one from growing. It is no bounded map, which would drop
    // the names of honest clients to remember those of a hostile one.
    if (verdicts.size < 1_000) verdicts.set(name, verdict);
    return verdict;
  };
}

/** Leaves fields out of a flat list of names and values: those that are judged so, by their names in lower case. */
export function withoutFields(fields: readonly string[], isLeftOut: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (!isLeftOut(name.toLowerCase())) kept.push(name, fields[at + 1] ?? '');
  }
  return kept;
}

/** The field names that a Connection value nominates (RFC 9110, section 7.6.1), in lower case. */
export function nominatedBy(
  connection: string | readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (connection === undefined) return undefined;
  const value = typeof connection === 'string' ? connection : connection.join(',');
  if (/^(?:keep-alive|close|upgrade)$/i.test(value)) return undefined;
  return new Set(splitList(value).map((name) => name.toLowerCase()));
}
