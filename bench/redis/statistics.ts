import type { RedisServer } from '../../testkit/redis-server.ts';

/** How often a command was called, and how long it took in all, in microseconds. */
export type CommandStatistics = Record<string, { calls: number; micros: number }>;

/** Commands whose cost grows with all that is in Redis, and not with what is asked for. */
const SCANNING = /^(keys|scan|[hsz]scan|dbsize|randomkey|flush\w+|sort|sort_ro)$/;

/** Begins to count anew. */
export async function resetStatistics(redis: RedisServer): Promise<void> {
  await redis.command('CONFIG', 'RESETSTAT');
}

/** Reads what was called since, those within scripts included, without what reading it takes. */
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

/** Those of some commands that scan. */
export function scanningCommands(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => SCANNING.test(name));
}

/** The memory that Redis has given to its data, in bytes. */
export async function usedMemory(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}
