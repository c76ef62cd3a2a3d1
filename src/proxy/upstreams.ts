import { Pool } from 'undici';
import type { Route } from './routes.ts';

/** The connections to the upstreams: kept alive, pooled by route, so that one slow API does not hold up another. */
export type Upstreams = { of(route: Route): Pool; close(): Promise<void> };

/** How many connections one route may have open to its upstream. */
const MAX_CONNECTIONS = 512;

export function createUpstreams(routes: readonly Route[]): Upstreams {
  const pools = new Map(
    routes.map((route) => [
      route,
      new Pool(route.origin, {
        connections: MAX_CONNECTIONS,
        pipelining: 1,
        connect: { timeout: route.config.timeout.connect },
        // Shorter than servers keep theirs (5 s by Node's default), so that few calls meet a connection being closed.
        keepAliveTimeout: 4_000,
        // SECURITY: the answer is bounded in its head; its body streams.
        maxHeaderSize: 65_536,
      }),
    ]),
  );
  return {
    of(route) {
      const pool = pools.get(route);
      if (pool === undefined) throw new Error(`no upstream of route ${route.config.path}`);
      return pool;
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}
