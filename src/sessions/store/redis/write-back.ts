import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../observability/log.ts';
import { createScript, type RedisConnection } from '../../../redis/connection.ts';
import { setTtl } from '../record/record-fields.ts';
import { setMissingIdle, type IdleSealing } from './idle-limit.ts';
import type { WriteMemory, WrittenRecord } from '../write-memory.ts';

/** Writes records again that Redis has lost: a failover or a restart may return an older version of them. */
export type RedisWriteBack = {
  /** Writes a record again unless Redis has the same or a newer version, or the session is gone. */
  restore(key: string, record: WrittenRecord): Promise<void>;
  /** Checks every record that this process remembers, until Redis has taken it; to be called after a reconnection. */
  restoreAll(): Promise<void>;
  /** Stops checking. */
  close(): void;
  /** Asks the other processes for a newer version of a record. */
  ask(key: string): Promise<void>;
  /** Handles a request of another process; gives false for any other message. */
  handleMessage(message: string): boolean;
};

/** How many records are checked at a time. */
const BATCH = 100;
/** The pause before records are checked again for which Redis failed, in milliseconds. */
const RETRY_MS = 1_000;

/** KEYS record · ARGV now, version, envelope, end, channel, name, idle limit, sealed idle limit: gives 1 if the record was older. */
const restoreScript = createScript(`${setTtl}${setMissingIdle}
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version or tonumber(version) >= tonumber(ARGV[2]) then return 0 end
  local previous = set_missing_idle(KEYS[1], ARGV[7], ARGV[8])
  if previous then return previous end
  redis.call('HSET', KEYS[1], 'v', ARGV[2], 'e', ARGV[3], 'a', ARGV[4])
  redis.call('HDEL', KEYS[1], 'm', 'u')
  expire(KEYS[1], tonumber(ARGV[1]))
  redis.pcall('PUBLISH', ARGV[5], 'changed ' .. ARGV[6] .. ' ' .. ARGV[2])
  return 1`);

export function createRedisWriteBack(deps: {
  redis: RedisConnection;
  idleSealing: IdleSealing;
  memory: WriteMemory;
  recordKey: (key: string) => string;
  channel: string;
  clock: () => number;
  log: Logger;
}): RedisWriteBack {
  const { redis, idleSealing, memory, recordKey, channel, clock, log } = deps;
  /** The number of `restoreAll` calls: a newer one replaces the one that is running. */
  let runs = 0;

  const restore: RedisWriteBack['restore'] = async (key, { version, envelope, endsAtMs }) => {
    const args = [clock(), version, envelope, endsAtMs, channel, key];
    const reply = await idleSealing.evaluate('write_back', restoreScript, recordKey(key), args);
    if (reply === 1)
      log.warn(
        { session: key },
        'the session store had lost the newest tokens of a session; wrote them again',
      );
  };

  const check = async (key: string) => {
    const version = await redis.run('load', (client) => client.hget(recordKey(key), 'v'));
    const comparison = memory.compare(key, version === null ? Infinity : Number(version));
    if (comparison.kind === 'behind' && comparison.written !== undefined)
      await restore(key, comparison.written);
  };
  /** Gives the keys for which Redis failed. */
  const checkAll = async (keys: readonly string[]): Promise<readonly string[]> => {
    const failed: string[] = [];
    for (let at = 0; at < keys.length; at += BATCH)
      await Promise.all(keys.slice(at, at + BATCH).map((key) => check(key).catch(() => failed.push(key))));
    return failed;
  };

  return {
    restore,
    async restoreAll() {
      runs += 1;
      const run = runs;
      let keys = memory.writtenKeys();
      while (keys.length > 0 && run === runs) {
        keys = await checkAll(keys);
        if (keys.length > 0) await sleep(RETRY_MS, undefined, { ref: false });
      }
    },
    close() {
      runs += 1;
    },
    async ask(key) {
      await redis.run('publish', (client) => client.publish(channel, `behind ${key}`));
    },
    handleMessage(message) {
      const [kind, key = ''] = message.split(' ');
      if (kind !== 'behind') return false;
      const written = memory.writtenOf(key);
      if (written !== undefined) void restore(key, written).catch(() => undefined);
      return true;
    },
  };
}
