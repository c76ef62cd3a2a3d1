import { createScript, type RedisConnection } from './connection.ts';

/**
 * What a process that asks for a turn is told: to take it, to wait, or that there is nothing to take turns for any more.
 * `intervalMs` is the least time between two turns now.
 */
export type PollSlot =
  { kind: 'taken'; intervalMs: number } | { kind: 'wait'; intervalMs: number } | { kind: 'over' };

/** Turns at something that may be done once in a while only, whichever process does it. Names are unguessable. */
export type PollSchedule = {
  /** Begins; the first turn is an interval away. Everything is forgotten after `lifeMs`. */
  open(name: string, intervalMs: number, lifeMs: number): Promise<void>;
  /** Takes the turn, if it is time for one. It lasts until it is given back, or for `longestMs`. */
  claim(name: string, longestMs: number): Promise<PollSlot>;
  /** Gives the turn back: the next one is an interval away, which is longer by `slowerByMs` from now on. */
  release(name: string, slowerByMs: number): Promise<void>;
  /** Ends it: there is no other turn. */
  close(name: string): Promise<void>;
};

/*
 * A record is a hash: `i` the interval, `n` the time of the next turn, in milliseconds on the one clock of Redis, whatever
 * the clocks of the processes say.
 */
const now = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local function at(ms) return string.format('%.0f', now + ms) end`;

/** KEYS record · ARGV interval, life */
const open = createScript(`${now}
  redis.call('HSET', KEYS[1], 'i', ARGV[1], 'n', at(ARGV[1]))
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`);

/** KEYS record · ARGV longest: gives the interval, negative when it is not time yet, or 0 when it is over */
const take = createScript(`${now}
  local interval = tonumber(redis.call('HGET', KEYS[1], 'i'))
  if not interval then return 0 end
  if tonumber(redis.call('HGET', KEYS[1], 'n')) > now then return -interval end
  redis.call('HSET', KEYS[1], 'n', at(interval + ARGV[1]))
  return interval`);

/** KEYS record · ARGV slower by */
const giveBack = createScript(`${now}
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  local interval = redis.call('HINCRBY', KEYS[1], 'i', ARGV[1])
  redis.call('HSET', KEYS[1], 'n', at(interval))
  return 1`);

/** Turns in Redis, one key each, so that the scripts run on a cluster. */
export function createRedisPollSchedule(deps: { redis: RedisConnection; keyPrefix: string }): PollSchedule {
  const { redis, keyPrefix } = deps;
  const key = (name: string) => `${keyPrefix}turn:${name}`;
  return {
    async open(name, intervalMs, lifeMs) {
      await redis.evaluate('turn_open', open, [key(name)], [intervalMs, lifeMs]);
    },
    async claim(name, longestMs) {
      const reply = Number(await redis.evaluate('turn_take', take, [key(name)], [longestMs]));
      if (reply === 0) return { kind: 'over' };
      return { kind: reply > 0 ? 'taken' : 'wait', intervalMs: Math.abs(reply) };
    },
    async release(name, slowerByMs) {
      await redis.evaluate('turn_give_back', giveBack, [key(name)], [slowerByMs]);
    },
    async close(name) {
      await redis.run('turn_close', (client) => client.del(key(name)));
    },
  };
}

/** Turns among the callers of this process, for a store that only this process uses. */
export function createLocalPollSchedule(clock: () => number): PollSchedule {
  const records = new Map<string, { intervalMs: number; nextAtMs: number; endsAtMs: number }>();
  const find = (name: string) => {
    const record = records.get(name);
    return record === undefined || record.endsAtMs <= clock() ? undefined : record;
  };
  return {
    async open(name, intervalMs, lifeMs) {
      for (const [old, { endsAtMs }] of records) if (endsAtMs <= clock()) records.delete(old);
      records.set(name, { intervalMs, nextAtMs: clock() + intervalMs, endsAtMs: clock() + lifeMs });
    },
    async claim(name, longestMs) {
      const record = find(name);
      if (record === undefined) return { kind: 'over' };
      const { intervalMs } = record;
      if (record.nextAtMs > clock()) return { kind: 'wait', intervalMs };
      record.nextAtMs = clock() + intervalMs + longestMs;
      return { kind: 'taken', intervalMs };
    },
    async release(name, slowerByMs) {
      const record = find(name);
      if (record === undefined) return;
      record.intervalMs += slowerByMs;
      record.nextAtMs = clock() + record.intervalMs;
    },
    async close(name) {
      records.delete(name);
    },
  };
}
