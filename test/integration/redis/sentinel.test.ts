import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../../testkit/redis-server.ts';
import { type RedisSentinel, startRedisSentinel } from '../../../testkit/redis-sentinel.ts';
import { until } from '../../../testkit/until.ts';
import { describeContractsOn } from './contracts.ts';
import { type Crowd, gatherCrowd } from './crowd.ts';

let redis: RedisSentinel;

beforeAll(async () => {
  redis = await startRedisSentinel({ replicas: 2 });
});
afterAll(() => redis.close());

describeContractsOn('the primary that Sentinels name', () => redis);

describe('Redis with Sentinel during calls and refreshes', () => {
  let crowd: Crowd;

  beforeEach(async () => {
    crowd = await gatherCrowd(redis.url);
  });

  const locks = () => redis.keys('coatcheck:lock:*');

  it.each([
    ['killed', async (primary: RedisServer) => primary.crash()],
    ['paused', async (primary: RedisServer) => primary.pause()],
  ])('loses no session that a replica has when the primary is %s', async (_what, strike) => {
    const refreshes = await crowd.holdRefreshes(locks);
    const primary = await redis.replicated();
    await strike(primary);
    refreshes.release();
    await crowd.served();
    await crowd.heard();
    await crowd.rest();

    expect((await redis.primary()).port).not.toBe(primary.port);
    expect(['200', '503']).toEqual(expect.arrayContaining(Object.keys(crowd.tally())));
    expect(await crowd.storeErrors()).toBeGreaterThan(0);
    expect(crowd.spentTwice()).toEqual([]);
    expect(crowd.lost()).toEqual([]);
    await until('no lock is left behind', async () => (await locks()).length === 0 || undefined);
  });

  it('finds the primary while one Sentinel is paused', async () => {
    const [first] = redis.sentinels;
    first?.pause();
    await (await redis.primary()).command('CLIENT', 'KILL', 'TYPE', 'normal');
    await crowd.served();
    await crowd.rest();
    first?.resume();
    expect(crowd.lost()).toEqual([]);
  });
});
