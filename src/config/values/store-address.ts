import { z } from 'zod';
import { shaped } from './scalar.ts';

/** A host and its port. */
export type RedisNode = { host: string; port: number };

/** The credentials for Redis in its address, and whether to use TLS. */
type AddressAccess = { username?: string; password?: string; tls: boolean };

/** Where sessions are stored: in this process, on one Redis server, on the primary found by Sentinel, or in a cluster. */
export type StoreAddress =
  | { kind: 'memory' }
  | { kind: 'redis'; url: string }
  | { kind: 'sentinel'; sentinels: RedisNode[]; name: string; database: number; access: AddressAccess }
  | { kind: 'cluster'; nodes: RedisNode[]; access: AddressAccess };

const credentials = String.raw`(?:[^\s/?#@]*@)?`;
const host = String.raw`(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)`;
const nodes = String.raw`${host}(?::\d{1,5})?(?:,${host}(?::\d{1,5})?)*`;
const single = String.raw`rediss?:\/\/${credentials}${host}(?::\d{1,5})?(?:\/\d*)?`;
const sentinel = String.raw`rediss?\+sentinel:\/\/${credentials}${nodes}\/[A-Za-z0-9._-]+(?:\/\d+)?`;
const cluster = String.raw`rediss?\+cluster:\/\/${credentials}${nodes}\/?`;
const address = new RegExp(`^(?:memory:|${single}|${sentinel}|${cluster})$`);

const expected =
  'expected memory:, redis://[user:password@]host[:port][/database], redis+sentinel://host:port,…/name or ' +
  'redis+cluster://host:port,… (rediss for TLS), the password percent-encoded';

/** The schema of `session.store`. */
export const storeAddress = shaped(address, expected).transform((text, context): StoreAddress => {
  if (text === 'memory:') return { kind: 'memory' };
  try {
    return parseRedisAddress(text);
  } catch {
    context.addIssue(expected);
    return z.NEVER;
  }
});

/** Parses an address that matches {@link address}. Throws for an invalid port or encoding. */
function parseRedisAddress(text: string): StoreAddress {
  const [scheme = '', rest = ''] = text.split('://');
  const [protocol = '', kind] = scheme.split('+');
  const at = rest.lastIndexOf('@');
  const [authority = '', name = '', database = '0'] = rest.slice(at + 1).split('/');
  const nodes = authority.split(',').map((node) => parseNode(node, kind === 'sentinel' ? 26_379 : 6_379));
  const access = { tls: protocol === 'rediss', ...parseCredentials(rest.slice(0, Math.max(0, at))) };
  if (kind === 'sentinel') return { kind, sentinels: nodes, name, database: Number(database), access };
  if (kind === 'cluster') return { kind, nodes, access };
  return { kind: 'redis', url: new URL(text).href };
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const { hostname, port } = new URL(`redis://${text}`);
  if (port === '0') throw new RangeError('port 0 is not a server port');
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) };
}

/** Parses `user:password`; the first colon separates them, as in a URL. */
function parseCredentials(text: string): { username?: string; password?: string } {
  const [username = '', ...rest] = text.split(':').map(decodeURIComponent);
  const password = rest.join(':');
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}
