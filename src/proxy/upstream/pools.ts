import type { LookupFunction } from 'node:net';
import { buildConnector, Pool } from 'undici';
import { tlsOptions } from '../../config/schema/tls.ts';
import type { Route, UpstreamServer } from '../routes.ts';
import { createRotatingLookup } from './lookup.ts';
import { refuseOtherVersions } from './http-version.ts';

/** Keep-alive connection pools to the servers of each route, so that a slow API does not delay the others. */
export type Upstreams = {
  of(route: Route, server: UpstreamServer): Pool;
  /**
   * Closes the connections once their requests are done. A request that comes later, because it was in progress during a
   * reload, opens another one, which ends by itself when it is idle.
   */
  retire(): void;
  close(): Promise<void>;
};

/**
 * Opens a server's pool on first use. `lookup` resolves the host name for each new connection. A pool is replaced after
 * `connections.maxAge`, so DNS changes take effect; requests in progress finish in the old pool.
 *
 * undici's own age limit, `clientTtl`, reads the clock for every connection on every request, which costs 4 % of a request
 * at 32 connections.
 */
export function createUpstreams(lookup: LookupFunction = createRotatingLookup()): Upstreams {
  const current = new Map<UpstreamServer, { pool: Pool; endsAtMs: number }>();
  const retired = new Set<Pool>();

  const open = ({ config }: Route, server: UpstreamServer): Pool => {
    const { connections, timeout, tls } = config;
    const connector = buildConnector({
      timeout: timeout.connect,
      allowH2: false,
      lookup,
      ...tlsOptions(tls),
    });
    const pool = new Pool(server.origin, {
      connections: connections.max,
      keepAliveTimeout: connections.idle,
      keepAliveMaxTimeout: connections.idle,
      pipelining: 1,
      // undici 8 would use HTTP/2 where the upstream offers it, but limits, responses and trailers here assume HTTP/1.1.
      allowH2: false,
      connect: (options, callback) =>
        connector(named(options, tls.serverName), (...result) => {
          if (result[0] === null) refuseOtherVersions(result[1]);
          callback(...result);
        }),
      // SECURITY: the size of the response head is limited; its body streams.
      maxHeaderSize: 65_536,
    });
    const lifeMs = connections.maxAge === 0 ? Infinity : connections.maxAge;
    current.set(server, { pool, endsAtMs: performance.now() + lifeMs });
    return pool;
  };
  const retire = (pool: Pool) => {
    retired.add(pool);
    const forget = () => retired.delete(pool);
    pool.close().then(forget, forget);
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
    async close() {
      const pools = [...retired, ...Array.from(current.values(), ({ pool }) => pool)];
      await Promise.all(pools.map((pool) => pool.destroy()));
    },
  };
}

/** Connects for another name than that of the `Host` field, which undici would use. */
function named(options: buildConnector.Options, servername: string | undefined): buildConnector.Options {
  return servername === undefined ? options : { ...options, servername };
}
