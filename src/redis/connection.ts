import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisAccess } from '../config/schema/redis-access.ts';
import { shareRuns } from '../concurrency/shared-run.ts';
import { withTimeout } from '../concurrency/with-timeout.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import {
  isDatabaseRefusal,
  openClient,
  openSubscriber,
  type RedisAddress,
  type RedisClient,
} from './client.ts';
import { RECONNECT_GRACE_MS, REDIS_COMMAND_TIMEOUT_MS } from '../timing.ts';
import { corkWrites } from './corked-writes.ts';
import { watchReconnections, type Reconnections } from './reconnections.ts';
import { createStoreHealth } from './store-health.ts';

/** A Lua script and its SHA-1, which EVALSHA sends instead of the text. */
export type Script = { readonly lua: string; readonly sha: string };

/** A connection to Redis. Every failure of it is `store_unavailable`. */
export type RedisConnection = Pick<Reconnections, 'serverChangedAtMs' | 'onReconnect'> & {
  /** Runs one operation. Throws {@link GatewayError} `store_unavailable` if Redis does not complete it in time. */
  run<Result>(operation: string, action: (client: RedisClient) => Promise<Result>): Promise<Result>;
  /** Runs a script on keys of one slot. Strings in the reply are Buffers. Fails like {@link RedisConnection.run}. */
  evaluate(
    operation: string,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown>;
  /**
   * Opens a connection for one subscription, which does not reconnect; the caller closes it. Gives undefined while no node
   * is known.
   */
  openSubscriber(attempt: number): Redis | undefined;
  /** True once any operation has succeeded. */
  wasReachable(): boolean;
  /** False during an outage: see {@link createStoreHealth}. */
  isReachable(): boolean;
  close(): Promise<void>;
};

type Argument = string | number | Buffer;

/** The client is not connected yet. The cause is the last error of the connection; undefined if there was none. */
export class NotConnectedError extends Error {
  constructor(cause: unknown) {
    super('not connected to Redis', { cause });
  }
}

export function createScript(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Opens a connection to Redis. Metrics count failed operations; {@link createStoreHealth} logs outages. */
export function createRedisConnection(deps: {
  address: RedisAddress;
  access?: RedisAccess;
  log: Logger;
  metrics: Metrics;
}): RedisConnection {
  const { metrics, access = { tls: {} } } = deps;
  const health = createStoreHealth(deps);
  const client = openClient(deps.address, access);
  const corkNextWrites = corkWrites(client);
  const reconnections = watchReconnections(client);
  let wasReachable = false;

  let lastError: unknown;
  /** After a refusal of the database, the client also reports that this connection has ended. */
  let isRefused = false;
  client.on('close', () => (isRefused = false));
  client.on('error', (error) => {
    if (!isRefused) lastError = error;
    isRefused ||= isDatabaseRefusal(error);
    health.failed('connect', error);
  });
  client.on('ready', () => {
    wasReachable = true;
    health.succeeded();
  });

  /** One wait for the connection, shared by all callers; rejects if the client does not reconnect in time. */
  const waitForConnection = shareRuns(async () => {
    const ready = Promise.withResolvers<true>();
    const onReady = () => ready.resolve(true);
    client.once('ready', onReady);
    const isReady = await withTimeout(
      ready.promise,
      wasReachable ? RECONNECT_GRACE_MS : REDIS_COMMAND_TIMEOUT_MS,
    );
    client.off('ready', onReady);
    if (!isReady) throw new NotConnectedError(lastError);
  });

  const run: RedisConnection['run'] = async (operation, action) => {
    const startedAtMs = performance.now();
    try {
      if (client.status !== 'ready') await waitForConnection();
      corkNextWrites();
      const result = await action(client);
      wasReachable = true;
      health.succeeded();
      return result;
    } catch (cause) {
      metrics.storeError(operation);
      health.failed(operation, cause);
      throw new GatewayError('store_unavailable', {
        detail: 'The session store cannot be reached. The session is kept; try again.',
        retryAfterSeconds: 1,
        cause,
      });
    } finally {
      metrics.storeOperation(operation, (performance.now() - startedAtMs) / 1000);
    }
  };

  return {
    run,
    evaluate: (operation, script, keys, args) =>
      run(operation, async (redis) => {
        try {
          return await redis.callBuffer('EVALSHA', [script.sha, keys.length, ...keys, ...args]);
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
          return redis.callBuffer('EVAL', [script.lua, keys.length, ...keys, ...args]);
        }
      }),
    openSubscriber: (attempt) => openSubscriber(deps.address, access, client, attempt),
    wasReachable: () => wasReachable,
    isReachable: health.isUp,
    serverChangedAtMs: reconnections.serverChangedAtMs,
    onReconnect: reconnections.onReconnect,
    async close() {
      health.close();
      client.removeAllListeners('error').on('error', () => undefined);
      client.disconnect();
    },
  };
}
