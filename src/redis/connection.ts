import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { withTimeout } from '../concurrency/with-timeout.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { openClient, openSubscriber, type RedisAddress, type RedisClient } from './client.ts';
import { RECONNECT_GRACE_MS, REDIS_COMMAND_TIMEOUT_MS } from '../timing.ts';
import { corkWrites } from './corked-writes.ts';

/** A Lua script with the digest that Redis knows it by. */
export type Script = { readonly lua: string; readonly sha: string };

/** A connection to Redis whose every failure is the same: `store_unavailable`, the session untouched. */
export type RedisConnection = {
  /** Runs one operation. Throws {@link GatewayError} `store_unavailable` when Redis does not do it in time. */
  run<Result>(operation: string, action: (client: RedisClient) => Promise<Result>): Promise<Result>;
  /** Runs a script on keys of one slot; strings in its reply are Buffers; failures as of {@link RedisConnection.run}. */
  evaluate(
    operation: string,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown>;
  /**
   * Opens a connection for one subscription, which does not come back when it is lost; the caller closes it. Gives
   * undefined while there is nothing to connect to.
   */
  openSubscriber(attempt: number): Redis | undefined;
  /** True once any operation has succeeded. */
  wasReachable(): boolean;
  /** The last time in which Redis was away, or is. */
  lastOutage(): Outage | undefined;
  close(): Promise<void>;
};

/** A time without Redis, in milliseconds since the epoch; its end is infinity while it lasts. */
export type Outage = { readonly beganAtMs: number; readonly endedAtMs: number };

type Argument = string | number | Buffer;

/** Prepares a Lua script; its digest is what EVALSHA sends instead of the text. */
export function createScript(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Opens a connection to Redis. Every outcome of an operation shows in the metrics, and every outage once in the log. */
export function createRedisConnection(deps: {
  address: RedisAddress;
  log: Logger;
  metrics: Metrics;
}): RedisConnection {
  const { log, metrics } = deps;
  const client = openClient(deps.address);
  const gather = corkWrites(client);
  let up: boolean | undefined;
  let reachable = false;
  let outage: Outage | undefined;

  const setUp = (now: boolean, error?: unknown) => {
    if (up === now) return;
    up = now;
    if (!now) outage = { beganAtMs: Date.now(), endedAtMs: Infinity };
    else if (outage !== undefined) outage = { ...outage, endedAtMs: Date.now() };
    metrics.storeUp(now ? 1 : 0);
    if (!now) log.error({ err: error }, 'session store unavailable');
    else if (reachable) log.info('session store available again');
    if (now) reachable = true;
  };
  let lastError: unknown;
  client.on('error', (error) => {
    lastError = error;
    setUp(false, error);
  });
  client.on('ready', () => setUp(true));

  const waitForReady = async () => {
    const ready = Promise.withResolvers<true>();
    const onReady = () => ready.resolve(true);
    client.once('ready', onReady);
    const isReady = await withTimeout(
      ready.promise,
      reachable ? RECONNECT_GRACE_MS : REDIS_COMMAND_TIMEOUT_MS,
    );
    client.off('ready', onReady);
    if (!isReady) throw new Error('not connected to Redis', { cause: lastError });
  };
  /** One wait for the connection, shared by all who need it; rejects when it does not come back in time. */
  let wait: Promise<void> | undefined;
  const connected = (): Promise<void> => {
    wait ??= waitForReady().finally(() => (wait = undefined));
    return wait;
  };

  const run: RedisConnection['run'] = async (operation, action) => {
    try {
      if (client.status !== 'ready') await connected();
      gather();
      const result = await action(client);
      setUp(true);
      return result;
    } catch (cause) {
      metrics.storeError(operation);
      setUp(false, cause);
      throw new GatewayError('store_unavailable', {
        detail: 'The session store cannot be reached. The session is kept; try again.',
        retryAfterSeconds: 1,
        cause,
      });
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
    openSubscriber: (attempt) => openSubscriber(deps.address, client, attempt),
    wasReachable: () => reachable,
    lastOutage: () => outage,
    async close() {
      client.removeAllListeners('error').on('error', () => undefined);
      client.disconnect();
    },
  };
}
