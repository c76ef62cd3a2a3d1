import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { type RedisSentinel, startRedisSentinel } from '../../../testkit/redis/redis-sentinel.ts';
import { until } from '../../../testkit/until.ts';
import { describeDeploymentContract } from './deployment-contract.ts';
import { type ContinuousLoad, expectNothingLost, startContinuousLoad } from './continuous-load.ts';

let redis: RedisSentinel;

beforeAll(async () => {
  redis = await startRedisSentinel({ replicas: 2 });
});
afterAll(() => redis.close());

describeDeploymentContract('the primary that Sentinels name', () => redis);

describe('Redis with Sentinel during calls and refreshes', () => {
  let load: ContinuousLoad;

  beforeEach(async () => {
    load = await startContinuousLoad(redis.url);
  });

  const locks = () => redis.keys('coatcheck:lock:*');

  it.each([
    ['killed', async (primary: RedisServer) => primary.crash()],
    ['paused', async (primary: RedisServer) => primary.pause()],
  ])(
    'loses no session that a replica has when the primary is %s',
    async (_what, fail) => {
      const refreshes = await load.holdRefreshes(locks);
      const primary = await redis.replicated();
      await fail(primary);
      refreshes.release();
      await load.waitUntilServed();
      await load.waitForMessages();
      await load.stop();

      expect((await redis.primary()).port).not.toBe(primary.port);
      await expectNothingLost(load, locks);
    },
    90_000,
  );

  it('finds the primary while one Sentinel is paused', async () => {
    const [first] = redis.sentinels;
    first?.pause();
    await (await redis.primary()).command('CLIENT', 'KILL', 'TYPE', 'normal');
    await load.waitUntilServed();
    await load.stop();
    first?.resume();
    expect(load.lostGrants()).toEqual([]);
  });
});

describe('Redis with Sentinel in a planned failover', () => {
  let planned: RedisSentinel;

  beforeAll(async () => {
    planned = await startRedisSentinel({ replicas: 2 });
  });
  afterAll(() => planned.close());

  it.each([1, 2, 3])('loses no session during a refresh in progress, round %i', async () => {
    const load = await startContinuousLoad(planned.url);
    const refreshes = await load.holdRefreshes(() => planned.keys('coatcheck:lock:*'));
    const primary = await planned.primary();
    await planned.failOver();
    refreshes.release();
    const isAnother = async () => ((await planned.primary()).port === primary.port ? undefined : true);
    await until('another server is the primary', isAnother);
    await load.waitUntilServed();
    await load.stop();

    expect(load.reusedRefreshTokens()).toEqual([]);
    expect(load.lostGrants()).toEqual([]);
  });
});
