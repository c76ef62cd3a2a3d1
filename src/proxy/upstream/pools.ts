import type { LookupFunction } from 'node:net';
import { buildConnector, Pool } from 'undici';
import type { Route } from '../routes.ts';
import { refuseOtherVersions } from './http-version.ts';

/** Keep-alive connection pools to the upstreams, one per route, so that a slow API does not delay the others. */
export type Upstreams = {
  of(route: Route): Pool;
  /**
   * Closes the connections once their requests are done. A request that comes later, because it was in progress during a
   * reload, opens another one, which ends by itself when it is idle.
   */
  retire(): void;
  close(): Promise<void>;
};

/**
 * Opens a route's pool on first use. `lookup` resolves the host name for each new connection. A pool is replaced after
 * `connections.maxAge`, so DNS changes take effect; requests in progress finish in the old pool.
 *
 * undici's own age limit, `clientTtl`, reads the clock for every connection on every request, which costs 4 % of a request
 * at 32 connections.
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
      // undici 8 would use HTTP/2 where the upstream offers it, but limits, responses and trailers here assume HTTP/1.1.
      allowH2: false,
      connect: (options, callback) =>
        connector(options, (...result) => {
          if (result[0] === null) refuseOtherVersions(result[1]);
          callback(...result);
        }),
      // SECURITY: the size of the response head is limited; its body streams.
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
      const existing = current.get(route);
      if (existing === undefined) return open(route);
      if (performance.now() < existing.endsAtMs) return existing.pool;
      retire(existing.pool);
      return open(route);
    },
    retire() {
      for (const { pool } of current.values()) retire(pool);
      current.clear();
    },
    async close() {
      const pools = [...retired, ...Array.from(current.values(), ({ pool }) => pool)];
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}
