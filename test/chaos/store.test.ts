import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  type GatewayCluster,
  type Member,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { freePort } from '../../testkit/network/free-port.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };

/** A way for the store to fail and to recover, with the duration of the failure once it is noticed. */
type Failure = {
  lastsMs: number;
  begin(redis: GatewayCluster['redis']): Promise<unknown>;
  end(redis: GatewayCluster['redis']): Promise<unknown>;
};

const failures: Record<string, Failure> = {
  'cuts its connections': {
    lastsMs: 0,
    begin: (redis) => redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    end: async () => {},
  },
  'is out of memory': {
    lastsMs: 1_000,
    begin: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 1),
    end: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', 0),
  },
  'has become a replica': {
    lastsMs: 1_000,
    begin: async (redis) => redis.command('REPLICAOF', '127.0.0.1', await freePort()),
    end: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
  },
  'does not reply in time': {
    lastsMs: 500,
    begin: async (redis) => redis.pause(),
    end: async (redis) => redis.resume(),
  },
  'is down': { lastsMs: 100, begin: (redis) => redis.stop(), end: (redis) => redis.start() },
  'is down for longer than the lock TTL': {
    lastsMs: 5_000,
    begin: (redis) => redis.stop(),
    end: (redis) => redis.start(),
  },
};

let cluster: GatewayCluster;
let visitors: Map<string, Visitor>;
/** The process that refreshes when the store fails, and another one. */
let refreshing: Member;
let other: Member;

beforeAll(async () => {
  cluster = await openGatewayCluster({
    size: 2,
    lockTtlMs: 4_500,
    // An operation of the store may take two seconds before it counts as failed, and after a restart of Redis a refresh waits
    // for the outage grace.
    refresh: { timeout: '4s' },
    // After its recovery Redis has all acknowledged writes.
    redis: ['--appendonly', 'yes', '--appendfsync', 'always'],
  });
  [refreshing, other] = [cluster.member(0), cluster.member(1)];
  const names = Object.keys(failures);
  const signedIn = await cluster.signInWithTokensOver(visitorNames(names.length));
  visitors = new Map(signedIn.map((visitor, at) => [names[at] ?? '', visitor]));
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const statuses = async (visitor: Visitor, at: Member) =>
  countOccurrences(
    (await Promise.all(Array.from({ length: 5 }, () => visitor.call(at)))).map(({ status }) => status),
  );

describe('a refresh during a failure of the session store', () => {
  it.each(Object.entries(failures))(
    'serves requests with the new tokens and stores them after recovery when the store %s',
    async (what, failure) => {
      const visitor = visitors.get(what);
      if (visitor === undefined) throw new Error(`nobody is signed in for "${what}"`);
      const gate = cluster.provider.faults.hold('token', 'after');
      const waiter = visitor.call(refreshing);
      await gate.waiting();
      await failure.begin(cluster.redis);
      gate.release();
      expect(await waiter).toMatchObject({ status: 200 });
      expect(await statuses(visitor, refreshing)).toEqual({ 200: 5 });
      await sleep(failure.lastsMs);
      await failure.end(cluster.redis);

      await vi.waitFor(async () => expect(await statuses(visitor, other)).toEqual({ 200: 5 }), PATIENCE);
      const family = cluster.provider.families.find(({ grant }) => grant.subject === visitor.name);
      expect(family?.refreshTokens.map(({ presented, spent }) => [presented, spent])).toEqual([
        [1, 1],
        [0, 0],
      ]);
      expect(family?.alive).toBe(true);
      await vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);
    },
  );
});
