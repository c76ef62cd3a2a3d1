import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type GatewayCluster,
  type Member,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { OUTAGE_GRACE_MS } from '../../src/timing.ts';
import { freePort } from '../../testkit/network/free-port.ts';
import type { RedisServer } from '../../testkit/redis/redis-server.ts';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { allServed, expectBalancedLedger, holdRefreshes, PATIENCE } from './support/refreshes.ts';

const PEOPLE = 8;

let cluster: GatewayCluster;
/** The process that refreshes when the store fails, and another one. */
let refreshing: Member;
let other: Member;

/**
 * The provider's response is held until the store fails. `refresh.timeout` leaves slow machines time for that, because a call
 * that times out is a lost response; the lock has to live longer.
 */
const open = async (redis: readonly string[] = []) => {
  cluster = await openGatewayCluster({
    size: 2,
    redis,
    lockTtlMs: 6_000,
    refresh: { timeout: '5s' },
    config: { provider: { timeout: '5s' } },
  });
  [refreshing, other] = [cluster.member(0), cluster.member(1)];
};
afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

/** What makes Redis reject writes and serve reads. */
type Rejection = {
  begin: (redis: RedisServer) => Promise<unknown>;
  end: (redis: RedisServer) => Promise<unknown>;
  /** Redis still extends the lifetime of a lock, so that the locks do not expire. */
  renewsLocks?: boolean;
};

const tooFewReplicas: Rejection = {
  begin: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', 1),
  end: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0),
};

/** Lets refreshes get their tokens while Redis rejects writes, for longer than their locks live. */
async function refreshWithoutWrites({ begin, renewsLocks }: Rejection) {
  await open();
  const visitors = await cluster.signInWithTokensOver(visitorNames(PEOPLE));
  const refreshes = await holdRefreshes(cluster, visitors, refreshing);
  await begin(cluster.redis);
  await expect(cluster.redis.command('SET', 'written', '1')).rejects.toThrow(
    /^(NOREPLICAS|OOM|READONLY|MISCONF) /,
  );
  refreshes.release();
  await Promise.all(refreshes.waiting);
  await sleep(cluster.lockTtlMs);
  if (renewsLocks !== true) await locksExpire();
  return visitors;
}
const locksExpire = () => vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);

/** Makes every snapshot fail: a folder has the name of its file. */
async function failSnapshots(redis: RedisServer) {
  const [, folder = ''] = (await redis.command('CONFIG', 'GET', 'dir')) as string[];
  await mkdir(join(folder, 'dump.rdb', 'in-the-way'), { recursive: true });
  await redis.command('CONFIG', 'SET', 'save', '3600 1');
  await redis.command('BGSAVE');
  await snapshotIs('err', redis);
}
async function repairSnapshots(redis: RedisServer) {
  const [, folder = ''] = (await redis.command('CONFIG', 'GET', 'dir')) as string[];
  await rm(join(folder, 'dump.rdb'), { recursive: true });
  await redis.command('BGSAVE');
  await snapshotIs('ok', redis);
}
const snapshotIs = (status: string, redis: RedisServer) =>
  vi.waitFor(
    async () =>
      expect(await redis.command('INFO', 'persistence')).toContain(`rdb_last_bgsave_status:${status}`),
    PATIENCE,
  );

describe('refreshes in progress', () => {
  const spendOnce = async (rejection: Rejection) => {
    const visitors = await refreshWithoutWrites(rejection);
    // The other process gets no request and notices nothing.
    await sleep(OUTAGE_GRACE_MS);
    await rejection.end(cluster.redis);
    await Promise.all(visitors.map((visitor) => visitor.call(other)));
    await allServed(visitors, other);
    expectBalancedLedger(cluster);
  };

  it('spend each refresh token once when Redis rejects writes for longer than the lifetime of a lock', async () => {
    await spendOnce(tooFewReplicas);
  });

  it('spend each refresh token once when the memory of Redis is full for longer than the lifetime of a lock', async () => {
    await spendOnce({
      begin: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 1),
      end: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 0),
      renewsLocks: true,
    });
  });

  it('spend each refresh token once when Redis is a read-only replica for longer than the lifetime of a lock', async () => {
    const unused = await freePort();
    await spendOnce({
      begin: (redis) => redis.command('REPLICAOF', '127.0.0.1', unused),
      end: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
    });
  });

  it('spend each refresh token once when Redis cannot write snapshots for longer than the lifetime of a lock', async () => {
    await spendOnce({ begin: failSnapshots, end: repairSnapshots });
  });

  it('spend each refresh token once when another process starts while Redis rejects writes', async () => {
    const visitors = await refreshWithoutWrites(tooFewReplicas);
    const late = await cluster.add();

    await tooFewReplicas.end(cluster.redis);
    await Promise.all(visitors.map((visitor) => visitor.call(late)));
    await allServed(visitors, late);
    expectBalancedLedger(cluster);
    await cluster.stop(late);
  });

  it('spend each refresh token once when another process starts while Redis is down', async () => {
    await open(['--appendonly', 'yes', '--appendfsync', 'always']);
    const visitors = await cluster.signInWithTokensOver(visitorNames(PEOPLE));
    const refreshes = await holdRefreshes(cluster, visitors, refreshing);
    // A stop would search and save everything first, while the calls at the provider time out.
    await cluster.redis.crash();
    refreshes.release();
    await Promise.all(refreshes.waiting);
    const starting = cluster.add();
    await sleep(cluster.lockTtlMs);
    await cluster.redis.start();
    const late = await starting;

    await Promise.all(visitors.map((visitor) => visitor.call(late)));
    await allServed(visitors, late);
    expectBalancedLedger(cluster);
    await cluster.stop(late);
  });
});

it('a Redis that restarts from an older snapshot receives the newest tokens again from the process that wrote them', async () => {
  await open();
  const visitors = await cluster.signInWithTokensOver(visitorNames(PEOPLE));
  await cluster.redis.command('SAVE');
  await allServed(visitors, refreshing);
  await cluster.redis.crash();
  await cluster.redis.start();

  await allServed(visitors, other);
  await allServed(visitors, refreshing);
  expectBalancedLedger(cluster);
});
