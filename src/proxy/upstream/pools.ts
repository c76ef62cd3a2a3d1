import type { LookupFunction } from 'node:net';
import { buildConnector, Pool } from 'undici';
import type { Route } from '../routes.ts';
import { refuseOtherVersions } from './http-version.ts';

/** The connections to the upstreams, kept alive and pooled by route, so that one slow API does not delay another. */
export type Upstreams = { of(route: Route): Pool; close(): Promise<void> };

/**
 * Opens a pool for each route on first use. `lookup` resolves the host name for each new connection. A pool is used for
 * `connections.maxAge` only, so that DNS changes are followed; requests in flight finish in the pool they started in.
 *
 * undici's own age limit, `clientTtl`, reads the clock for every connection on every request: 4 % of a request at 32.
 */
export function createUpstreams(lookup?: LookupFunction): Upstreams {
  const current = new Map<Route, { pool: Pool; endsAtMs: number }>();
  const retired = new Set<Pool>();

  const open = (route: Route): Pool => {
    const { connections, timeout } = route.config;
    const connector = buildConnector({ timeout: timeout.connect, allowH2: false, ...(lookup && { lookup }) });
    const pool = new Pool(route.origin, {
      connections: connections.max,
      keepAliveTimeout: connections.idle,
      keepAliveMaxTimeout: connections.idle,
      pipelining: 1,
      // undici 8 would use HTTP/2 where the server offers it; limits, held responses and trailers here assume HTTP/1.1.
      allowH2: false,
      connect: (options, callback) =>
        connector(options, (...result) => {
          if (result[0] === null) refuseOtherVersions(result[1]);
          callback(...result);
        }),
      // SECURITY: bounds the head of a response; its body streams.
      maxHeaderSize: 65_536,
    });
    const lifeMs = connections.maxAge === 0 ? Infinity : connections.maxAge;
    current.set(route, { pool, endsAtMs: performance.now() + lifeMs });
    return pool;
  };
  const retire = (pool: Pool) => {
    retired.add(pool);
    const forget = () => retired.delete(pool);
    pool.close().then(forget, forget);
  };

  return {
    of(route) {
      const held = current.get(route);
      if (held === undefined) return open(route);
      if (performance.now() < held.endsAtMs) return held.pool;
      retire(held.pool);
      return open(route);
    },
    async close() {
      const pools = [...retired, ...Array.from(current.values(), ({ pool }) => pool)];
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}
