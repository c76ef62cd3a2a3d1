import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ClusterOnStore, openClusterOn, visitorNames } from '../../testkit/gateway/cluster.ts';
import { startLoad } from '../../testkit/gateway/load.ts';
import { type RedisSentinel, startRedisSentinel } from '../../testkit/redis/redis-sentinel.ts';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { until } from '../../testkit/until.ts';
import { allServed, expectBalancedLedger, holdRefreshes, revokeAccessTokens } from './support/refreshes.ts';

let redis: RedisSentinel;
let cluster: ClusterOnStore;

beforeEach(async () => {
  redis = await startRedisSentinel({ replicas: 2 });
  // A refresh waits longer than Sentinel needs to begin the failover.
  cluster = await openClusterOn(redis.url, {
    size: 2,
    lockTtlMs: 6_000,
    refresh: { timeout: '5s' },
    config: { provider: { timeout: '5s' } },
  });
});
afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
  await redis.close();
});

it('a planned failover of Redis during refreshes spends each refresh token once and loses no session', async () => {
  const visitors = await cluster.signInWithTokensOver(visitorNames(32));
  const [refreshing, others] = [visitors.slice(0, 8), visitors.slice(8)];
  const refreshes = await holdRefreshes(cluster, refreshing, cluster.member(0));
  const before = await redis.primary();
  await redis.failOver();
  const load = startLoad(cluster, others);
  refreshes.release();
  await until('another server is the primary', async () =>
    (await redis.primary()).port === before.port ? undefined : true,
  );
  await Promise.all(refreshes.waiting);
  for (const member of cluster.members) await allServed(visitors, member);
  await load.stop();
  expect(load.responses.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);

  revokeAccessTokens(cluster);
  for (const member of cluster.members) await allServed(visitors, member);
  expectBalancedLedger(cluster);
});
