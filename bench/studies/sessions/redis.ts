import type { RedisServer } from '../../../testkit/redis/redis-server.ts';

/** KEYS what is copied · ARGV first number, last number, time to live, then what each key holds */
const copy = `
  for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    for at, key in ipairs(KEYS) do
      local name = string.sub(key, 1, -11) .. string.format('%010d', number)
      redis.call('RESTORE', name, ARGV[3], ARGV[at + 3])
    end
  end`;

/** A script returns a DUMP as hexadecimal text, which survives the reply's decoding. */
const dump = `return (string.gsub(redis.call('DUMP', KEYS[1]), '.', function(byte)
    return string.format('%02x', string.byte(byte))
  end))`;

/** Commands whose cost grows with the size of the keyspace. */
const SCANNING = /^(keys|scan|[hsz]scan|dbsize|randomkey|flush\w+|sort|sort_ro)$/;
const TTL_MS = 12 * 3600 * 1000;
const COPIES_PER_CALL = 20_000;

/** Lists every key. */
export async function listKeys(redis: RedisServer): Promise<Set<string>> {
  return new Set((await redis.command('KEYS', '*')) as string[]);
}

/**
 * Copies keys a number of times, under names of the same length, and returns the memory that each copy takes, in bytes. The
 * gateway cannot open the copies, since a record opens only under its own name.
 */
export async function copyKeys(redis: RedisServer, keys: readonly string[], count: number): Promise<number> {
  const before = await usedMemory(redis);
  const dumped = await Promise.all(
    keys.map(async (key) => Buffer.from(String(await redis.command('EVAL', dump, 1, key)), 'hex')),
  );
  for (let first = 0; first < count; first += COPIES_PER_CALL) {
    const last = Math.min(count, first + COPIES_PER_CALL) - 1;
    await redis.command('EVAL', copy, keys.length, ...keys, first, last, TTL_MS, ...dumped);
  }
  return ((await usedMemory(redis)) - before) / count;
}

async function usedMemory(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}

/**
 * The commands that Redis runs during `work`, calls in scripts included, and their total time in microseconds. `calls` is how
 * many there were.
 */
export async function watchCommands(
  redis: RedisServer,
  work: () => Promise<void>,
): Promise<{ commands: string[]; calls: number; micros: number }> {
  await redis.command('CONFIG', 'RESETSTAT');
  await work();
  const info = String(await redis.command('INFO', 'commandstats'));
  const all = Array.from(
    info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm),
    ([, name = '', calls, micros]) => ({ name, calls: Number(calls), micros: Number(micros) }),
  ).filter(({ name }) => name !== 'info' && name !== 'config|resetstat');
  // The commands inside scripts are counted separately.
  const isScript = ({ name }: { name: string }) => name.startsWith('eval');
  const sum = (list: typeof all) => list.reduce((total, { micros }) => total + micros, 0);
  const micros = Math.max(sum(all.filter(isScript)), sum(all.filter((command) => !isScript(command))));
  const calls = all.reduce((total, command) => total + command.calls, 0);
  return { commands: all.map(({ name }) => name).toSorted(), calls, micros };
}

/** Filters the commands that scan the keyspace. */
export function scanningCommands(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => SCANNING.test(name));
}
