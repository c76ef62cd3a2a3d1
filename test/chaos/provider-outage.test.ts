import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import { isLong } from '../../testkit/seeded-random.ts';
import {
  type ClusterResponse,
  type GatewayCluster,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { startLoad } from '../../testkit/gateway/load.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';

const OUTAGE_MS = isLong ? 300_000 : 5_000;
const PROCESSES = 2;
/** The number of concurrent token endpoint calls per process. */
const AT_ONCE = 4;
/** Longer than the longest pause for a failing token endpoint. */
const PATIENCE = { timeout: 30_000, interval: 50 };

let cluster: GatewayCluster;
/** Users whose tokens have expired. */
let alice: Visitor;
let bob: Visitor;
let carol: Visitor;
let dave: Visitor;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: PROCESSES, refresh: { maxConcurrent: AT_ONCE } });
  [alice, bob, carol, dave] = await cluster.signInWithTokensOver(['alice', 'bob', 'carol', 'dave'] as const);
});
beforeEach(() => {
  cluster.provider.requests.length = 0;
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const refreshes = () =>
  cluster.provider.requests.filter(({ form }) => form?.['grant_type'] === 'refresh_token');
const callAll = async (visitor: Visitor) => {
  const calls = cluster.members.flatMap((member) => Array.from({ length: 5 }, () => visitor.call(member)));
  return countOccurrences((await Promise.all(calls)).map(({ status }) => status));
};
const expectServed = (visitor: Visitor) =>
  vi.waitFor(async () => expect(await callAll(visitor)).toEqual({ 200: PROCESSES * 5 }), PATIENCE);

function expectKept({ status, code, headers }: ClusterResponse): void {
  expect({ status, code }).toEqual({ status: 503, code: 'provider_unavailable' });
  expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
  expect(headers['set-cookie']).toBeUndefined();
}

/** The maximum number of trials per process in a time: each pause is twice the previous one, up to ten seconds. */
function trialsIn(ms: number): number {
  let trials = 0;
  // The shortest pause that jitter allows.
  for (let pause = 375, at = 0; at < ms; pause = Math.min(7_500, pause * 2)) {
    at += pause;
    trials += 1;
  }
  return trials;
}

it.each([
  ['in seconds', () => bob, 2_000, () => '2'],
  // A date has no fraction of a second.
  ['as a date', () => carol, 1_000, () => new Date(Date.now() + 2_000).toUTCString()],
])(
  'the gateway sends no refresh before the Retry-After of the provider, given %s',
  async (_how, who, leastMs, retryAfter) => {
    const member = cluster.member(0);
    const visitor = who();
    cluster.provider.faults.token = { status: 429, headers: { 'retry-after': retryAfter() }, times: 1 };
    for (const response of await Promise.all(Array.from({ length: 20 }, () => visitor.call(member))))
      expectKept(response);
    await vi.waitFor(async () => expect(await visitor.call(member)).toMatchObject({ status: 200 }), PATIENCE);
    const [first, second, ...others] = refreshes().map(({ atMs }) => atMs);
    expect(others).toEqual([]);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(leastMs);
  },
);

it('all waiting requests in every process fail after one refresh and its retry while the token endpoint hangs', async () => {
  Object.assign(cluster.provider, { rotate: 'grace', graceMs: 60_000 });
  const gate = cluster.provider.faults.hold('token');
  const calls = cluster.members.flatMap((member) => Array.from({ length: 20 }, () => dave.call(member)));
  for (const response of await Promise.all(calls)) expectKept(response);
  // One retry, because the response to the first call may have been lost; none by the other process. Requests do
  // not wait for it longer than refresh.timeout.
  await vi.waitFor(() => expect(refreshes()).toHaveLength(2), PATIENCE);
  gate.release();
  await expectServed(dave);
  Object.assign(cluster.provider, { rotate: 'strict', graceMs: 0 });
});

it('the gateway keeps every session while the provider rejects the client credentials', async () => {
  const { secret } = cluster.provider.client;
  cluster.provider.client.secret = 'another secret';
  const load = startLoad(cluster, [alice, alice]);
  await sleep(isLong ? 60_000 : 1_000);
  await load.stop();
  expect(load.responses.length).toBeGreaterThan(0);
  for (const response of load.responses) expectKept(response);

  cluster.provider.client.secret = secret;
  await expectServed(alice);
});

it(
  'the gateway keeps every session in an outage, serves valid tokens, backs off and recovers by itself',
  async () => {
    cluster.provider.accessTokenLifetime = 3_600;
    const residents = await cluster.signIn(visitorNames(20, 'resident'));
    cluster.provider.accessTokenLifetime = 2;
    const guests = await cluster.signIn(visitorNames(20, 'guest'));
    const load = startLoad(cluster, [...residents, ...guests]);
    await sleep(1_000);
    cluster.provider.requests.length = 0;
    const { repeated: before } = balance(cluster);

    cluster.provider.faults.token = { status: 503 };
    const beganAtMs = Date.now();
    await sleep(OUTAGE_MS - 1_000);
    const asked = refreshes().map(({ atMs }) => atMs - beganAtMs);
    await cluster.provider.stop();
    await sleep(1_000);
    cluster.provider.faults.clear();
    await cluster.provider.start();
    for (const guest of guests) await expectServed(guest);
    await load.stop();
    const statuses = countOccurrences(load.responses.map(({ status }) => status));
    console.log(`${OUTAGE_MS} ms without a token endpoint: called at`, asked, 'ms; responses', statuses);

    const unserved = load.responses.filter(({ status }) => status !== 200);
    for (const response of unserved) expectKept(response);
    expect(unserved.filter(({ visitor }) => residents.includes(visitor))).toEqual([]);
    expect(statuses['503']).toBeGreaterThan(0);
    // The tolerated calls, those that run at the same time as the last one, and then one per pause.
    expect(asked.length).toBeLessThanOrEqual(PROCESSES * (2 + AT_ONCE + trialsIn(OUTAGE_MS)));
    const half = (OUTAGE_MS - 1_000) / 2;
    expect(asked.filter((ms) => ms > half).length).toBeLessThan(asked.filter((ms) => ms <= half).length);
    expect(balance(cluster)).toMatchObject({ repeated: before, lost: [], mixUps: [] });
  },
  OUTAGE_MS + 60_000,
);
