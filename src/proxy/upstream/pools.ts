import type { LookupFunction } from 'node:net';
import { buildConnector, Pool } from 'undici';
import type { Route } from '../routes.ts';
import { refuseOtherVersions } from './http-version.ts';

/** The connections to the upstreams: kept alive, pooled by route, so that one slow API does not hold up another. */
export type Upstreams = { of(route: Route): Pool; close(): Promise<void> };

/**
 * Opens a pool for each route that is asked for. `lookup` finds the address of a name for each new connection. As a pool is used for
 * `connections.maxAge` only, a name that has moved is followed; what is under way in the one before is finished there.
 *
 * undici's own limit of age, `clientTtl`, looks at the clock for every connection at every request: 4 % of one at 32.
 */
export function createUpstreams(lookup?: LookupFunction): Upstreams {
  const current = new Map<Route, { pool: Pool; endsAtMs: number }>();
  const former = new Set<Pool>();

  const open = (route: Route): Pool => {
    const { connections, timeout } = route.config;
    const connector = buildConnector({ timeout: timeout.connect, allowH2: false, ...(lookup && { lookup }) });
    const pool = new Pool(route.origin, {
      connections: connections.max,
      keepAliveTimeout: connections.idle,
      keepAliveMaxTimeout: connections.idle,
      pipelining: 1,
      // undici 8 would speak HTTP/2 to whoever offers it, for which nothing here is made: limits, held answers, trailers.
      allowH2: false,
      connect: (options, callback) =>
        connector(options, (...result) => {
          if (result[0] === null) refuseOtherVersions(result[1]);
          callback(...result);
        }),
      // SECURITY: the answer is bounded in its head; its body streams.
      maxHeaderSize: 65_536,
    });
    const lifeMs = connections.maxAge === 0 ? Infinity : connections.maxAge;
    current.set(route, { pool, endsAtMs: performance.now() + lifeMs });
    return pool;
  };
  const retire = (pool: Pool) => {
    former.add(pool);
    const forget = () => former.delete(pool);
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
      const pools = [...former, ...Array.from(current.values(), ({ pool }) => pool)];
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}
