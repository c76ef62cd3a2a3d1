import { createScript, type RedisConnection } from './connection.ts';

/** Leaky buckets, shared by all processes. A level is in milliseconds and drains by one millisecond per millisecond. */
export type RateCounters = {
  /**
   * Adds `byMs` to a level, unless the result would exceed `limitMs`; a negative number lowers the level, to 0 at least.
   * Gives the result in both cases. Throws `store_unavailable`.
   */
  add(name: string, byMs: number, limitMs: number): Promise<number>;
};

/**
 * KEYS level · ARGV by, limit
 *
 * The level is the TTL of an empty key: Redis drains it on its own clock, and deletes the key at zero.
 */
const addScript = createScript(`
  local level = math.max(0, redis.call('PTTL', KEYS[1])) + ARGV[1]
  if level <= 0 then return 0 * redis.call('DEL', KEYS[1]) end
  if level <= tonumber(ARGV[2]) then redis.call('SET', KEYS[1], '', 'PX', level) end
  return level`);

/** Rate counters in Redis, one key each, so that the script runs on a cluster. */
export function createRedisRateCounters(deps: { redis: RedisConnection; keyPrefix: string }): RateCounters {
  const { redis, keyPrefix } = deps;
  return {
    add: async (name, byMs, limitMs) =>
      Number(await redis.evaluate('rate_limit', addScript, [`${keyPrefix}rate:${name}`], [byMs, limitMs])),
  };
}
