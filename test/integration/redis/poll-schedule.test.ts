import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createRedisConnection } from '../../../src/redis/connection.ts';
import {
  createLocalPollSchedule,
  createRedisPollSchedule,
  type PollSchedule,
} from '../../../src/redis/poll-schedule.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function openRedisSchedule(): Promise<PollSchedule> {
  const redis = await startRedis();
  const connection = createRedisConnection({
    address: { kind: 'redis', url: redis.url },
    log: createLogger({ level: 'fatal', format: 'json' }),
    metrics: createMetrics(),
  });
  closers.push(
    () => redis.close(),
    () => connection.close(),
  );
  return createRedisPollSchedule({ redis: connection, keyPrefix: 'coatcheck:' });
}

describe.each([
  ['in memory', async () => createLocalPollSchedule(Date.now)],
  ['in Redis', openRedisSchedule],
] as const)('a poll schedule %s', (_where, open) => {
  let schedule: PollSchedule;
  beforeEach(async () => {
    schedule = await open();
    await schedule.open('a', 1_000, 60_000);
  });
  /** Claims as soon as a poll is due or the schedule is over. */
  const claim = async (longestMs: number) => {
    for (;;) {
      const slot = await schedule.claim('a', longestMs);
      if (slot.kind !== 'wait') return slot;
      await sleep(5);
    }
  };

  it('grants one poll at a time, and the next one after its release', async () => {
    expect(await schedule.claim('a', 60_000)).toEqual({ kind: 'wait', intervalMs: 1_000 });
    expect(await claim(60_000)).toEqual({ kind: 'taken', intervalMs: 1_000 });
    await sleep(1_100);
    expect(await schedule.claim('a', 60_000)).toMatchObject({ kind: 'wait' });
    await schedule.release('a', 10);
    expect(await claim(60_000)).toEqual({ kind: 'taken', intervalMs: 1_010 });
  });

  it('ends when a claim ends without a release, because the code may be spent', async () => {
    expect(await claim(10)).toMatchObject({ kind: 'taken' });
    expect(await claim(10)).toEqual({ kind: 'over' });
    expect(await schedule.claim('a', 10)).toEqual({ kind: 'over' });
  });

  it('ends once it is closed', async () => {
    await claim(60_000);
    await schedule.close('a');
    await schedule.release('a', 0);
    expect(await schedule.claim('a', 10)).toEqual({ kind: 'over' });
  });
});
