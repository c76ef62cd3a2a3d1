import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

/**
 * Resolves host names so that all addresses of one are used: each connection begins with another one of the preferred family.
 * When that address accepts no connection, Node.js tries the others.
 */
export function createRotatingLookup(lookup: LookupFunction = dns.lookup): LookupFunction {
  let start = 0;
  return (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, found) => {
      // Node.js passes no addresses with an error.
      if (error !== null) return callback(error, options.all === true ? [] : '', 0);
      if (typeof found === 'string' || found.length < 2)
        return callback(null, options.all === true ? found : firstOf(found), familyOf(found));
      start = (start + 1) % 0x1_0000;
      const preferred = found[0]?.family;
      const same = found.filter(({ family }) => family === preferred);
      const others = found.filter(({ family }) => family !== preferred);
      const at = start % same.length;
      const rotated = [...same.slice(at), ...same.slice(0, at), ...others];
      callback(null, options.all === true ? rotated : firstOf(rotated), familyOf(rotated));
    });
}

type Found = Parameters<Parameters<LookupFunction>[2]>[1];

function firstOf(found: Found): string {
  return typeof found === 'string' ? found : (found[0]?.address ?? '');
}

function familyOf(found: Found): number {
  return typeof found === 'string' ? 0 : (found[0]?.family ?? 0);
}
