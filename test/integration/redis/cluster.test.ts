import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../../../testkit/redis/redis-cluster.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import type { RunningGateway } from '../../../testkit/gateway/gateway.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
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

describe('a Redis Cluster after an operator has ended every session (standards: D24)', () => {
  const ADMIN_TOKEN = 'canary-admin-token-Hd5wNc8XqJ4vPz7TkR2m';
  const GENERATION = 'coatcheck:generation';
  let own: RedisCluster;
  let testGateway: TestGateway;
  /** The primary that has the generation. */
  let owner: RedisServer;
  let agents: UserAgent[];

  beforeEach(async () => {
    own = await startRedisCluster({ replicas: true });
    onTestFinished(() => own.close());
    testGateway = await openTestGatewayForTest({
      store: own.url,
      config: { admin: { token: ADMIN_TOKEN } },
    });
    agents = [];
    owner = await until('another primary has a session, too', async () => {
      const agent = testGateway.browser();
      await agent.signIn();
      agents.push(agent);
      const holder = await own.ownerOf(GENERATION);
      const records = await own.keys('coatcheck:session:*');
      const owners = await Promise.all(records.map((record) => own.ownerOf(record)));
      return owners.some((other) => other !== holder) ? holder : undefined;
    });
  });

  const endAll = async () => {
    const response = await fetch(`${testGateway.gateway.adminUrl}/sessions/revoke-all`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(response.status).toBe(200);
  };
  const statusesAt = (gateway: RunningGateway) =>
    Promise.all(
      agents.map(async (like) => (await testGateway.browser({ like, at: gateway }).fetch('/api/one')).status),
    );
  const allEnded = () => agents.map(() => 401);

  it('keeps them ended when the node with the generation is emptied', async () => {
    await endAll();
    await owner.command('FLUSHALL');
    expect(await own.keys('coatcheck:session:*')).not.toEqual([]);
    const late = await testGateway.replica();
    await expect.poll(() => statusesAt(late)).toEqual(allEnded());
    expect(await statusesAt(testGateway.gateway)).toEqual(allEnded());
  });

  it('keeps them ended when a replica without the new generation takes over, which no gateway listens to', async () => {
    const listenersAt = async (server: RedisServer) => {
      const [, listeners] = (await server.command('PUBSUB', 'NUMSUB', 'coatcheck:changes')) as unknown[];
      return Number(listeners);
    };
    await until('the gateway listens to another primary than that of the generation', async () => {
      if ((await listenersAt(owner)) > 0) await owner.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const others = own.primaries.filter((server) => server !== owner);
      const listeners = await Promise.all(others.map(listenersAt));
      return listeners.some((count) => count > 0) ? true : undefined;
    });
    const [, , [[, port]]] = (await owner.command('ROLE')) as [string, number, [[string, string]]];
    const replica = new Redis(Number(port), '127.0.0.1');
    onTestFinished(() => replica.disconnect());
    const [, pid] = /process_id:(\d+)/.exec(await replica.info('server')) ?? [];
    process.kill(Number(pid), 'SIGSTOP');
    onTestFinished(() => void process.kill(Number(pid), 'SIGCONT'));
    // Its connection would keep what the primary sends meanwhile.
    await owner.command('CLIENT', 'KILL', 'TYPE', 'replica');
    await endAll();
    await owner.crash();
    process.kill(Number(pid), 'SIGCONT');
    await replica.readonly();
    expect(await replica.get(GENERATION)).toBe('0');
    await replica.call('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await expect.poll(async () => Number(await replica.get(GENERATION))).toBeGreaterThan(0);
    await expect.poll(() => statusesAt(testGateway.gateway)).toEqual(allEnded());
    expect(await statusesAt(await testGateway.replica())).toEqual(allEnded());
  });
});
