import { shareRuns } from '../../../concurrency/shared-run.ts';
import { createScript, type RedisConnection } from '../../../redis/connection.ts';

/** The keys that the processes of a deployment have, by their ids: tells a cookie of another process from one of no use. */
export type PeerKeys = {
  /**
   * True if another process has said in the last two minutes that it has this key. False for a key whose secret was removed
   * from this process. Throws `store_unavailable`.
   */
  has(keyId: number): Promise<boolean>;
  /** Says which keys this process has: call when the secrets have changed. */
  announce(): void;
  close(): void;
};

/** For a single process. */
export const noPeerKeys: PeerKeys = {
  has: async () => false,
  announce: () => undefined,
  close: () => undefined,
};

/** How often a process says which keys it has, and how long that counts, in milliseconds. */
const ANNOUNCE_MS = 30_000;
/** The pause after a failure, in milliseconds. */
const RETRY_MS = 5_000;
const COUNTS_MS = 4 * ANNOUNCE_MS;

const now = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** KEYS keys · ARGV how long it counts, key ids. */
const announceScript = createScript(`${now}
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  for at = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[at]) end
  redis.call('PEXPIRE', KEYS[1], ARGV[1])`);

/** KEYS keys */
const listScript = createScript(`${now}
  return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')`);

export function createRedisPeerKeys(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  /** The ids of the keys that this process has. */
  ownIds: () => readonly number[];
}): PeerKeys {
  const { redis, ownIds } = deps;
  const name = `${deps.keyPrefix}keys`;
  /** Every key that this process has had. */
  const announced = new Set<number>();

  // SECURITY: anybody can send a cookie that names any key, so all requests share the reads, one at a time.
  const read = shareRuns(async (): Promise<ReadonlySet<number>> => {
    const reply = await redis.evaluate('keys', listScript, [name], []);
    return new Set(Array.isArray(reply) ? reply.map(Number) : []);
  });
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const announceAgainAfter = (pauseMs: number) => {
    clearTimeout(timer);
    if (!isClosed) timer = setTimeout(announce, pauseMs).unref();
  };
  const announce = () => {
    const ids = ownIds();
    for (const id of ids) announced.add(id);
    redis.evaluate('keys', announceScript, [name], [COUNTS_MS, ...ids]).then(
      () => announceAgainAfter(ANNOUNCE_MS),
      () => announceAgainAfter(RETRY_MS),
    );
  };
  redis.onReconnect(announce);
  announce();

  return {
    async has(keyId) {
      if (announced.has(keyId)) return false;
      return (await read()).has(keyId);
    },
    announce,
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
