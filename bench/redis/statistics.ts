import type { RedisServer } from '../../testkit/redis-server.ts';

/** Number of calls and total time of each command, in microseconds. */
export type CommandStatistics = Record<string, { calls: number; micros: number }>;

/** Commands whose cost grows with the size of the keyspace. */
const SCANNING = /^(keys|scan|[hsz]scan|dbsize|randomkey|flush\w+|sort|sort_ro)$/;

/** Resets the command statistics. */
export async function resetStatistics(redis: RedisServer): Promise<void> {
  await redis.command('CONFIG', 'RESETSTAT');
}

/** Reads the statistics since the reset, calls in scripts included, without the calls that this module makes. */
export async function readStatistics(redis: RedisServer): Promise<CommandStatistics> {
  const info = String(await redis.command('INFO', 'commandstats'));
  const lines = info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm);
  return Object.fromEntries(
    [...lines]
      .map(
        ([, name = '', calls, micros]) => [name, { calls: Number(calls), micros: Number(micros) }] as const,
      )
      .filter(([name]) => name !== 'info' && name !== 'config|resetstat'),
  );
}

/** Filters the commands that scan the keyspace. */
export function scanningCommands(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => SCANNING.test(name));
}

/** The memory that Redis has allocated, in bytes. */
export async function usedMemory(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}
