import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  type GatewayCluster,
  type Member,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';

/** The number of concurrent token endpoint calls per process. */
const AT_ONCE = 8;
const PATIENCE = { timeout: 20_000, interval: 5 };

let cluster: GatewayCluster;
/** The process that is stopped or killed, and another one. */
let holder: Member;
let other: Member;
/** Users whose tokens have expired. */
let alice: Visitor;
let bob: Visitor;
let carol: Visitor;
let dora: Visitor;
let visitors: Visitor[];

beforeAll(async () => {
  // A process that finds the mark of a stopped one waits for the outage grace: requests here wait longer than that.
  const refresh = { maxConcurrent: AT_ONCE, timeout: '4s' };
  cluster = await openGatewayCluster({ size: 2, lockTtlMs: 4_500, refresh });
  [holder, other] = [cluster.member(0), cluster.member(1)];
  const names = ['alice', 'bob', 'carol', 'dora', ...visitorNames(100)] as const;
  [alice, bob, carol, dora, ...visitors] = await cluster.signInWithTokensOver(names);
});
beforeEach(() => {
  cluster.provider.requests.length = 0;
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const refreshes = () => cluster.provider.tokenCalls({ grant: 'refresh_token' });
const calls = (visitor: Visitor, at: Member) => Array.from({ length: 10 }, () => visitor.call(at));
const statuses = async (responses: Promise<{ status: number | 'cut' }>[]) =>
  countOccurrences((await Promise.all(responses)).map(({ status }) => status));
/** Everything in Redis but times: a served request may extend its session. */
const records = async () =>
  (await cluster.redis.dump())
    .split('\n')
    .filter((line) => !line.includes('ttl=') && !/^\d{13}$/.test(line))
    .toSorted();
const locksExpire = () => vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);
const familyOf = ({ name }: Visitor) => cluster.provider.families.find(({ grant }) => grant.subject === name);

/** Lets the holder take the lock of a session while the provider is down, so that it sends no token. */
async function tryInVain(visitor: Visitor) {
  const tries = () => cluster.count(holder, 'refresh_duration_seconds_count');
  // The locks of the previous test are released or expire.
  await vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);
  const before = await tries();
  await cluster.provider.stop();
  const waiters = calls(visitor, holder);
  await vi.waitFor(async () => expect(await tries()).toBeGreaterThan(before), PATIENCE);
  expect(await cluster.locks()).toHaveLength(1);
  return waiters;
}

/** Those of a suspended process have waited longer than a request does: on a busy machine they are told to try again. */
async function expectServedOrToldToRetry(waiters: Promise<{ status: number | 'cut' }>[]) {
  const { 200: served = 0, 503: toldToRetry = 0 } = await statuses(waiters);
  expect(served + toldToRetry).toBe(10);
}

it('a lock holder suspended beyond its lock TTL spends and writes nothing when it resumes and serves its requests', async () => {
  const waiters = await tryInVain(alice);
  holder.program.signal('SIGSTOP');
  await cluster.provider.start();
  await locksExpire();
  expect(await alice.call(other)).toMatchObject({ status: 200 });
  const written = await records();

  holder.program.signal('SIGCONT');
  await expectServedOrToldToRetry(waiters);
  expect(await records()).toEqual(written);
  expect(await alice.call(holder)).toMatchObject({ status: 200 });
  expect(refreshes()).toBe(1);
  expect(familyOf(alice)?.refreshTokens.map(({ presented }) => presented)).toEqual([1, 0]);
});

it('a lock holder that resumes while another process holds the lock sends no refresh and waits', async () => {
  const waiters = await tryInVain(dora);
  holder.program.signal('SIGSTOP');
  await cluster.provider.start();
  await locksExpire();
  const gate = cluster.provider.faults.hold('token', 'after');
  const elsewhere = calls(dora, other);
  await gate.waiting();

  holder.program.signal('SIGCONT');
  // Long enough for it to take the lock, if it could.
  await sleep(300);
  expect(refreshes()).toBe(1);
  gate.release();
  expect(await statuses(elsewhere)).toEqual({ 200: 10 });
  await expectServedOrToldToRetry(waiters);
  expect(await dora.call(holder)).toMatchObject({ status: 200 });
  expect(refreshes()).toBe(1);
});

it('tokens that arrive while their process is suspended are stored when it resumes, even after the lock expired', async () => {
  const gate = cluster.provider.faults.hold('token', 'after');
  const waiters = calls(bob, holder);
  await gate.waiting();
  holder.program.signal('SIGSTOP');
  gate.release();
  await locksExpire();

  holder.program.signal('SIGCONT');
  expect(await statuses(waiters)).toEqual({ 200: 10 });
  expect(await statuses(calls(bob, other))).toEqual({ 200: 10 });
  expect(refreshes()).toBe(1);
});

it('suspending a process during a hundred refreshes spends only the tokens of calls already in progress twice', async () => {
  // The provider rotates at once and responds later: the refresh tokens of calls in progress have been spent at the stop.
  cluster.provider.faults.delayMs('token', 25);
  const first = visitors.map((visitor) => visitor.call(holder));
  await vi.waitFor(() => expect(refreshes()).toBeGreaterThan(30), PATIENCE);
  const sentAtStop = refreshes();
  holder.program.signal('SIGSTOP');
  // The request of the stopped process arrives.
  await sleep(200);
  const sentBefore = new Set(cluster.provider.requests.map(({ form }) => form?.['refresh_token']));
  await locksExpire();
  const second = await statuses(visitors.map((visitor) => visitor.call(other)));
  holder.program.signal('SIGCONT');
  cluster.provider.faults.delayMs('token', 0);
  const firstStatuses = await statuses(first);
  const third = await statuses(visitors.map((visitor) => visitor.call(holder)));

  const { repeated, lost } = balance(cluster);
  expect(repeated.length).toBeLessThanOrEqual(AT_ONCE);
  // A stop can also happen in the few microseconds between the last check of the lock and the write of the request.
  expect(repeated.filter(({ token }) => !sentBefore.has(token)).length).toBeLessThanOrEqual(1);
  expect(lost).toHaveLength(repeated.length);
  const expected = { 200: 100 - lost.length, ...(lost.length > 0 && { 401: lost.length }) };
  expect(third).toEqual(expected);
  expect(second[200] ?? 0).toBeGreaterThanOrEqual(expected[200]);
  expect(Object.keys(second).filter((status) => !['200', '401'].includes(status))).toEqual([]);
  // A Redis command that was running at the stop has timed out when its process resumes: that request gets 503.
  const { 503: overdue, ...others } = firstStatuses;
  expect(Object.keys(others).filter((status) => !['200', '401'].includes(status))).toEqual([]);
  // Of the calls that were sent, only those in progress had no response yet.
  expect(overdue ?? 0).toBeLessThanOrEqual(100 - (sentAtStop - AT_ONCE));
});

it('a killed lock holder delays other processes no longer than its lock TTL', async () => {
  const waiters = await tryInVain(carol);
  const elsewhere = calls(carol, other);
  const [lock] = await cluster.locks();
  expect(lock?.ttlMs).toBeGreaterThan(0);
  expect(lock?.ttlMs).toBeLessThanOrEqual(cluster.lockTtlMs);
  await cluster.kill(holder);
  await cluster.provider.start();

  expect(await statuses(waiters)).toEqual({ cut: 10 });
  // A call waits no longer than refresh.timeout, which is shorter than the lock TTL here: it gets a 503.
  const { 200: served = 0, 503: toRetry = 0, ...others } = await statuses(elsewhere);
  expect(others).toEqual({});
  expect(served + toRetry).toBe(10);
  await locksExpire();
  expect(await statuses(calls(carol, other))).toEqual({ 200: 10 });
  expect(await cluster.locks()).toEqual([]);
  expect(familyOf(carol)?.refreshTokens.map(({ presented }) => presented)).toEqual([1, 0]);
});
