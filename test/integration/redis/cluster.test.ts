import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../../../testkit/redis-cluster.ts';
import type { RedisServer } from '../../../testkit/redis-server.ts';
import { until } from '../../../testkit/until.ts';
import { describeContractsOn } from './contracts.ts';
import { type Crowd, gatherCrowd } from './crowd.ts';

let redis: RedisCluster;

beforeAll(async () => {
  redis = await startRedisCluster({ replicas: true });
});
afterAll(() => redis.close());

describeContractsOn('a cluster', () => redis);

describe('a Redis Cluster during calls and refreshes', () => {
  let crowd: Crowd;

  beforeEach(async () => {
    crowd = await gatherCrowd(redis.url);
  });

  const locks = () => redis.keys('coatcheck:lock:*');

  it('moves the slots of active sessions and locks without a failed request', async () => {
    for (const session of await redis.keys('coatcheck:session:*')) {
      for (const key of [session, session.replace('session', 'lock')]) {
        const owner = await redis.ownerOf(key);
        const [heir = owner] = redis.primaries.filter((primary) => primary !== owner);
        await redis.move(key, heir, () => crowd.calls(30));
      }
    }
    await crowd.served();
    await crowd.heard();
    await crowd.rest();

    expect(Object.keys(crowd.tally())).toEqual(['200']);
    expect(crowd.spentTwice()).toEqual([]);
    expect(crowd.lost()).toEqual([]);
  });

  /** A primary of the start with a session whose token is being renewed. */
  const busyPrimary = () =>
    until('a token is being renewed that is kept on a primary with a replica', async () => {
      const sessions = (await locks()).map((lock) => lock.replace('lock', 'session'));
      const owners = await Promise.all(sessions.map((session) => redis.ownerOf(session)));
      return owners.find((owner) => redis.primaries.includes(owner));
    });

  it.each([
    ['killed', async (primary: RedisServer) => primary.crash()],
    ['paused', async (primary: RedisServer) => primary.pause()],
  ])('loses no session that its replica has when a primary is %s', async (_what, strike) => {
    const refreshes = await crowd.holdRefreshes(locks);
    const primary = await busyPrimary();
    await redis.replicated(primary);
    await strike(primary);
    refreshes.release();
    await crowd.served();
    await crowd.heard();
    await crowd.rest();

    expect(['200', '503']).toEqual(expect.arrayContaining(Object.keys(crowd.tally())));
    expect(await crowd.storeErrors()).toBeGreaterThan(0);
    expect(crowd.spentTwice()).toEqual([]);
    expect(crowd.lost()).toEqual([]);
    await until('no lock is left behind', async () => (await locks()).length === 0 || undefined);
  });
});

describe('a Redis Cluster that shrinks', () => {
  it('still delivers messages to subscribers of the removed node', async () => {
    const small = await startRedisCluster();
    onTestFinished(() => small.close());
    const gateways = await gatherCrowd(small.url, 0);
    await gateways.heard();
    const listeners = await Promise.all(
      small.primaries.map((primary) => primary.command('PUBSUB', 'NUMSUB', 'coatcheck:changes')),
    );
    const listened = small.primaries.find((_primary, at) => Number((listeners[at] as unknown[])[1]) > 0);
    const [heir] = small.primaries.filter((primary) => primary !== listened);
    if (listened === undefined || heir === undefined) throw new Error('nobody listens');
    await small.retire(listened, heir);
    await gateways.heard();
  });
});
