import { createHash } from 'node:crypto';
import { Redis, type RedisOptions } from 'ioredis';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** A Lua script with the digest that Redis knows it by. */
export type Script = { readonly lua: string; readonly sha: string };

/** A connection to Redis whose every failure is the same: `store_unavailable`, the session untouched. */
export type RedisConnection = {
  /** Runs one operation. Throws {@link GatewayError} `store_unavailable` when Redis does not do it in time. */
  run<Result>(operation: string, action: (client: Redis) => Promise<Result>): Promise<Result>;
  /** Runs a script on keys of one slot; strings in its reply are Buffers; failures as of {@link RedisConnection.run}. */
  evaluate(
    operation: string,
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown>;
  /** Opens another connection with the same settings, for a subscription; the caller closes it. */
  duplicate(options: RedisOptions): Redis;
  /** True once any operation has succeeded. */
  wasReachable(): boolean;
  close(): Promise<void>;
};

type Argument = string | number | Buffer;

/** How long one operation may take before it counts as an outage, in milliseconds; also the first connection. */
const COMMAND_TIMEOUT_MS = 2_000;
/** How long an operation waits for a connection that has just been lost, in milliseconds: most come back at once. */
const RECONNECT_GRACE_MS = 250;

/** Prepares a Lua script; its digest is what EVALSHA sends instead of the text. */
export function createScript(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/**
 * Opens a connection to one Redis server (`redis:` or `rediss:`), now and again whenever it is lost.
 *
 * It fails fast: nothing is queued while Redis is away, and nothing is sent twice after a reconnection, so that a
 * request learns of an outage at once and a script never runs a second time behind its caller's back.
 */
export function createRedisConnection(deps: { url: string; log: Logger; metrics: Metrics }): RedisConnection {
  const { log, metrics } = deps;
  const client = new Redis(deps.url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: COMMAND_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    // A replica that was promoted away answers READONLY: connect anew, and find the primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
  });
  let up: boolean | undefined;
  let reachable = false;

  const setUp = (now: boolean, error?: unknown) => {
    if (up === now) return;
    up = now;
    metrics.storeUp(now ? 1 : 0);
    if (!now) log.error({ err: error }, 'session store unavailable');
    else if (reachable) log.info('session store available again');
    if (now) reachable = true;
  };
  client.on('error', (error) => setUp(false, error));
  client.on('ready', () => setUp(true));

  /** One wait for the connection, shared by all who need it; rejects when it does not come back in time. */
  let wait: Promise<void> | undefined;
  const connected = (): Promise<void> => {
    wait ??= new Promise<void>((resolve, reject) => {
      const arrive = () => {
        clearTimeout(timer);
        resolve();
      };
      const giveUp = () => {
        client.off('ready', arrive);
        reject(new Error('there is no connection to Redis'));
      };
      const timer = setTimeout(giveUp, reachable ? RECONNECT_GRACE_MS : COMMAND_TIMEOUT_MS);
      client.once('ready', arrive);
    }).finally(() => (wait = undefined));
    return wait;
  };

  const run: RedisConnection['run'] = async (operation, action) => {
    try {
      if (client.status !== 'ready') await connected();
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
    duplicate: (options) => client.duplicate(options),
    wasReachable: () => reachable,
    async close() {
      client.removeAllListeners('error').on('error', () => undefined);
      client.disconnect();
    },
  };
}

/** Reconnection delays in milliseconds: 50, 100, 200 … up to one second, with jitter so that replicas spread out. */
export function reconnectDelayMs(attempt: number): number {
  const ceiling = Math.min(1_000, 50 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(ceiling * (0.75 + Math.random() / 4));
}
