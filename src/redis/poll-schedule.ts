import { createScript, type RedisConnection } from './connection.ts';

/**
 * The result of a claim. `taken`: the caller may poll. `wait`: the next poll is not due. `over`: the schedule has ended.
 * `intervalMs` is the current minimum time between two polls.
 */
export type PollSlot =
  { kind: 'taken'; intervalMs: number } | { kind: 'wait'; intervalMs: number } | { kind: 'over' };

/** Limits polls to one per interval across all processes. The names of schedules are unguessable. */
export type PollSchedule = {
  /** Creates a schedule. The first poll is due after one interval; the schedule expires after `lifeMs`. */
  open(name: string, intervalMs: number, lifeMs: number): Promise<void>;
  /**
   * Claims the next poll if it is due. The claim ends with `release`. Without one, the schedule is over after `longestMs`:
   * nobody knows whether the last poll has spent the code.
   */
  claim(name: string, longestMs: number): Promise<PollSlot>;
  /** Ends a claim and adds `slowerByMs` to the interval; the next poll is due after one interval. */
  release(name: string, slowerByMs: number): Promise<void>;
  /** Deletes the schedule. */
  close(name: string): Promise<void>;
};

/*
 * A record is a hash: `i` interval, `n` time of the next poll, `c` 1 while the poll is claimed. Times are in milliseconds, on
 * the clock of Redis, because the clocks of the processes may differ.
 */
const now = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local function at(ms) return string.format('%.0f', now + ms) end`;

/** KEYS record · ARGV interval, lifetime */
const openScript = createScript(`${now}
  redis.call('HSET', KEYS[1], 'i', ARGV[1], 'n', at(ARGV[1]))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`);

/** KEYS record · ARGV longest claim: gives the interval, negated if the poll is not due, or 0 if there is no record */
const claimScript = createScript(`${now}
  local interval = tonumber(redis.call('HGET', KEYS[1], 'i'))
  if not interval then return 0 end
  if tonumber(redis.call('HGET', KEYS[1], 'n')) > now then return -interval end
  if redis.call('HGET', KEYS[1], 'c') == '1' then return 0 * redis.call('DEL', KEYS[1]) end
  redis.call('HSET', KEYS[1], 'n', at(interval + ARGV[1]), 'c', '1')
  return interval`);

/** KEYS record · ARGV slower by */
const releaseScript = createScript(`${now}
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  local interval = redis.call('HINCRBY', KEYS[1], 'i', ARGV[1])
  redis.call('HSET', KEYS[1], 'n', at(interval), 'c', '0')
  return 1`);

/** Schedules in Redis, one key each, so that the scripts run on a cluster. */
export function createRedisPollSchedule(deps: { redis: RedisConnection; keyPrefix: string }): PollSchedule {
  const { redis, keyPrefix } = deps;
  const key = (name: string) => `${keyPrefix}turn:${name}`;
  return {
    async open(name, intervalMs, lifeMs) {
      await redis.evaluate('turn_open', openScript, [key(name)], [intervalMs, lifeMs]);
    },
    async claim(name, longestMs) {
      const reply = Number(await redis.evaluate('turn_take', claimScript, [key(name)], [longestMs]));
      if (reply === 0) return { kind: 'over' };
      return { kind: reply > 0 ? 'taken' : 'wait', intervalMs: Math.abs(reply) };
    },
    async release(name, slowerByMs) {
      await redis.evaluate('turn_give_back', releaseScript, [key(name)], [slowerByMs]);
    },
    async close(name) {
      await redis.run('turn_close', (client) => client.del(key(name)));
    },
  };
}

type LocalRecord = { intervalMs: number; nextAtMs: number; endsAtMs: number; isClaimed: boolean };

/** Schedules in memory, for a store that no other process uses. */
export function createLocalPollSchedule(clock: () => number): PollSchedule {
  const records = new Map<string, LocalRecord>();
  const find = (name: string) => {
    const record = records.get(name);
    return record === undefined || record.endsAtMs <= clock() ? undefined : record;
  };
  return {
    async open(name, intervalMs, lifeMs) {
      for (const [old, { endsAtMs }] of records) if (endsAtMs <= clock()) records.delete(old);
      records.set(name, {
        intervalMs,
        nextAtMs: clock() + intervalMs,
        endsAtMs: clock() + lifeMs,
        isClaimed: false,
      });
    },
    async claim(name, longestMs) {
      const record = find(name);
      if (record === undefined) return { kind: 'over' };
      const { intervalMs } = record;
      if (record.nextAtMs > clock()) return { kind: 'wait', intervalMs };
      if (record.isClaimed) {
        records.delete(name);
        return { kind: 'over' };
      }
      record.nextAtMs = clock() + intervalMs + longestMs;
      record.isClaimed = true;
      return { kind: 'taken', intervalMs };
    },
    async release(name, slowerByMs) {
      const record = find(name);
      if (record === undefined) return;
      record.intervalMs += slowerByMs;
      record.nextAtMs = clock() + record.intervalMs;
      record.isClaimed = false;
    },
    async close(name) {
      records.delete(name);
    },
  };
}
