import { createScript, type RedisConnection } from './connection.ts';

/** Levels by name that all processes raise, and that sink by themselves: one millisecond in each millisecond. */
export type RateCounters = {
  /**
   * Raises a level by `byMs`, unless that would lift it over `limitMs`; gives what it has or would have become. Throws
   * `store_unavailable`.
   */
  add(name: string, byMs: number, limitMs: number): Promise<number>;
};

/**
 * KEYS level · ARGV by, limit
 *
 * The level is the time to live of a key whose value is nothing: it sinks with it, on the one clock of Redis, and nothing
 * is left behind.
 */
const raise = createScript(`
  local level = math.max(0, redis.call('PTTL', KEYS[1])) + ARGV[1]
  if level <= tonumber(ARGV[2]) then redis.call('SET', KEYS[1], '', 'PX', level) end
  return level`);

/** Levels in Redis, one key each, so that the script runs on a cluster. */
export function createRedisRateCounters(deps: { redis: RedisConnection; keyPrefix: string }): RateCounters {
  const { redis, keyPrefix } = deps;
  return {
    add: async (name, byMs, limitMs) =>
      Number(await redis.evaluate('rate_limit', raise, [`${keyPrefix}rate:${name}`], [byMs, limitMs])),
  };
}
