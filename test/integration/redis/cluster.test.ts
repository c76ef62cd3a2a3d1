import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../../../testkit/redis/redis-cluster.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { until } from '../../../testkit/until.ts';
import { describeDeploymentContract } from './deployment-contract.ts';
import { type ContinuousLoad, expectNothingLost, startContinuousLoad } from './continuous-load.ts';

let redis: RedisCluster;

beforeAll(async () => {
  redis = await startRedisCluster({ replicas: true });
});
afterAll(() => redis.close());

describeDeploymentContract('a cluster', () => redis);

describe('a Redis Cluster during calls and refreshes', () => {
  let load: ContinuousLoad;

  beforeEach(async () => {
    load = await startContinuousLoad(redis.url);
  });

  const locks = () => redis.keys('coatcheck:lock:*');

  it('moves the slots of active sessions and locks without a failed request', async () => {
    for (const session of await redis.keys('coatcheck:session:*')) {
      for (const key of [session, session.replace('session', 'lock')]) {
        const owner = await redis.ownerOf(key);
        const [target = owner] = redis.primaries.filter((primary) => primary !== owner);
        await redis.move(key, target, () => load.waitForCalls(30));
      }
    }
    await load.waitUntilServed();
    await load.waitForMessages();
    await load.stop();

    expect(Object.keys(load.statusCounts())).toEqual(['200']);
    expect(load.reusedRefreshTokens()).toEqual([]);
    expect(load.lostGrants()).toEqual([]);
  });

  /** An initial primary that has a session whose token is being refreshed. */
  const busyPrimary = () =>
    until('a token is being refreshed that is stored on a primary with a replica', async () => {
      const sessions = (await locks()).map((lock) => lock.replace('lock', 'session'));
      const owners = await Promise.all(sessions.map((session) => redis.ownerOf(session)));
      return owners.find((owner) => redis.primaries.includes(owner));
    });

  it.each([
    ['killed', async (primary: RedisServer) => primary.crash()],
    ['paused', async (primary: RedisServer) => primary.pause()],
  ])(
    'loses no session that its replica has when a primary is %s',
    async (_what, fail) => {
      const refreshes = await load.holdRefreshes(locks);
      const primary = await busyPrimary();
      await redis.replicated(primary);
      await fail(primary);
      refreshes.release();
      await load.waitUntilServed();
      await load.waitForMessages();
      await load.stop();

      await expectNothingLost(load, locks);
    },
    90_000,
  );
});

describe('a Redis Cluster that shrinks', () => {
  it('still delivers messages to subscribers of the removed node', async () => {
    const small = await startRedisCluster();
    onTestFinished(() => small.close());
    const gateways = await startContinuousLoad(small.url, 0);
    await gateways.waitForMessages();
    const subscriberCounts = await Promise.all(
      small.primaries.map((primary) => primary.command('PUBSUB', 'NUMSUB', 'coatcheck:changes')),
    );
    const subscribed = small.primaries.find(
      (_primary, at) => Number((subscriberCounts[at] as unknown[])[1]) > 0,
    );
    const [target] = small.primaries.filter((primary) => primary !== subscribed);
    if (subscribed === undefined || target === undefined) throw new Error('no primary has a subscriber');
    await small.retire(subscribed, target);
    await gateways.waitForMessages();
  });
});
