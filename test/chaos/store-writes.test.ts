import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type GatewayCluster,
  type Member,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { OUTAGE_GRACE_MS } from '../../src/timing.ts';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { allServed, expectBalancedLedger, holdRefreshes, PATIENCE } from './support/refreshes.ts';

const PEOPLE = 8;

let cluster: GatewayCluster;
/** The process that refreshes when the store fails, and another one. */
let refreshing: Member;
let other: Member;

const open = async (redis: readonly string[] = []) => {
  cluster = await openGatewayCluster({ size: 2, redis });
  [refreshing, other] = [cluster.member(0), cluster.member(1)];
};
afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

/** Lets refreshes get their tokens while Redis rejects writes, until their locks have expired. */
async function refreshWithoutWrites() {
  await open();
  const visitors = await cluster.signInWithTokensOver(visitorNames(PEOPLE));
  const refreshes = await holdRefreshes(cluster, visitors, refreshing);
  await cluster.redis.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
  refreshes.release();
  await Promise.all(refreshes.waiting);
  await locksExpire();
  return visitors;
}
const locksExpire = () => vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);

describe('refreshes in progress', () => {
  it('spend each refresh token once when Redis rejects writes for longer than the lifetime of a lock', async () => {
    const visitors = await refreshWithoutWrites();
    // The other process gets no request and notices nothing.
    await sleep(OUTAGE_GRACE_MS);
    await cluster.redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    await Promise.all(visitors.map((visitor) => visitor.call(other)));
    await allServed(visitors, other);
    expectBalancedLedger(cluster);
  });

  it('spend each refresh token once when another process starts while Redis rejects writes', async () => {
    const visitors = await refreshWithoutWrites();
    const late = await cluster.add();

    await cluster.redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    await Promise.all(visitors.map((visitor) => visitor.call(late)));
    await allServed(visitors, late);
    expectBalancedLedger(cluster);
    await cluster.stop(late);
  });

  it('spend each refresh token once when another process starts while Redis is down', async () => {
    await open(['--appendonly', 'yes', '--appendfsync', 'always']);
    const visitors = await cluster.signInWithTokensOver(visitorNames(PEOPLE));
    const refreshes = await holdRefreshes(cluster, visitors, refreshing);
    await cluster.redis.stop();
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
