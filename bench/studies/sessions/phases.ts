import { readStatistics, resetStatistics } from '../../redis/statistics.ts';
import { readUsage } from '../../usage.ts';
import type { PopulatedGateway } from './populated-gateway.ts';

/** One operation on many sessions. */
export type Phase = {
  what: string;
  count: number;
  seconds: number;
  /** CPU time of the gateway per session, in microseconds. */
  cpuMicros: number;
  /** Time of Redis per session, from its command statistics, in microseconds. */
  redisMicros: number;
  /** The Redis commands, calls in scripts included. */
  commands: string[];
};

/** Measures the gateway and Redis while `work` handles `count` sessions. */
export async function measurePhase<T>(
  { gateway, redis }: PopulatedGateway,
  what: string,
  count: number,
  work: () => Promise<T>,
): Promise<{ result: T; phase: Phase }> {
  await resetStatistics(redis);
  const before = readUsage(gateway.pid).cpuMicros;
  const startedMs = performance.now();
  const result = await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const cpuMicros = (readUsage(gateway.pid).cpuMicros - before) / count;
  const statistics = await readStatistics(redis);
  const micros = Object.entries(statistics)
    // The commands inside scripts are counted separately.
    .filter(([name]) => !name.startsWith('eval'))
    .reduce((sum, [, each]) => sum + each.micros, 0);
  const scripts = (statistics['evalsha']?.micros ?? 0) + (statistics['eval']?.micros ?? 0);
  const redisMicros = Math.max(micros, scripts) / count;
  return {
    result,
    phase: { what, count, seconds, cpuMicros, redisMicros, commands: Object.keys(statistics).toSorted() },
  };
}
