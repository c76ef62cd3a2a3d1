import type { LookupFunction } from 'node:net';
import type { Route, UpstreamServer } from '../routes.ts';
import { createConnect } from './http1/connector.ts';
import { ConnectionPool } from './http1/pool.ts';
import { createRotatingLookup } from './lookup.ts';

/** Keep-alive connection pools to the servers of each route, so that a slow API does not delay the others. */
export type Upstreams = {
  of(route: Route, server: UpstreamServer): ConnectionPool;
  /**
   * Closes the connections once their requests are done. A request that comes later, because it was in progress during a
   * reload, opens another one, which ends by itself when it is idle.
   */
  retire(): void;
  close(): void;
};

/**
 * Opens a server's pool on first use. `lookup` resolves the host name for each new connection. A pool is replaced after
 * `connections.maxAge`, so DNS changes take effect; requests in progress finish in the old pool.
 */
export function createUpstreams(lookup: LookupFunction = createRotatingLookup()): Upstreams {
  const current = new Map<UpstreamServer, { pool: ConnectionPool; endsAtMs: number }>();
  const retired = new Set<ConnectionPool>();

  const open = ({ config }: Route, server: UpstreamServer): ConnectionPool => {
    const { connections, timeout, tls } = config;
    const connect = createConnect({ origin: server.origin, timeout: timeout.connect, tls, lookup });
    const pool = new ConnectionPool(connect, connections.idle);
    const lifeMs = connections.maxAge === 0 ? Infinity : connections.maxAge;
    current.set(server, { pool, endsAtMs: performance.now() + lifeMs });
    return pool;
  };
  const retire = (pool: ConnectionPool) => {
    retired.add(pool);
    pool.retire(() => retired.delete(pool));
  };

  return {
    of(route, server) {
      const existing = current.get(server);
      if (existing === undefined) return open(route, server);
      if (performance.now() < existing.endsAtMs) return existing.pool;
      retire(existing.pool);
      return open(route, server);
    },
    retire() {
      for (const { pool } of current.values()) retire(pool);
      current.clear();
    },
    close() {
      for (const pool of [...retired, ...Array.from(current.values(), ({ pool }) => pool)]) pool.close();
    },
  };
}
