import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { type GatewayCluster, type Visitor, openGatewayCluster } from '../../testkit/gateway/cluster.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';

let cluster: GatewayCluster;
let alice: Visitor;
let bob: Visitor;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: 2 });
  [alice, bob] = await cluster.signInWithTokensOver(['alice', 'bob'] as const);
});
beforeEach(() => {
  cluster.provider.requests.length = 0;
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const refreshes = () => cluster.provider.tokenCalls({ grant: 'refresh_token' });
const familyOf = ({ name }: Visitor) => cluster.provider.families.find(({ grant }) => grant.subject === name);

/** Calls through all processes at once; the first response of the token endpoint is lost. */
async function callAtOnce(visitor: Visitor) {
  cluster.provider.faults.dropAfterProcessing('token');
  const calls = cluster.members.flatMap((member) => Array.from({ length: 20 }, () => visitor.call(member)));
  return Promise.all(calls);
}

it('a lost token response is recovered within the grace period of the provider and every request succeeds', async () => {
  Object.assign(cluster.provider, { rotate: 'grace', graceMs: 30_000 });
  const responses = await callAtOnce(alice);
  expect(countOccurrences(responses.map(({ status }) => status))).toEqual({ 200: 40 });
  expect(refreshes()).toBe(2);
  expect(familyOf(alice)).toMatchObject({ alive: true, reuses: 0 });
});

it('a lost token response ends the session cleanly after one retry when each refresh token allows one use', async () => {
  Object.assign(cluster.provider, { rotate: 'strict', graceMs: 0 });
  const responses = await callAtOnce(bob);
  for (const { status, code, headers } of responses) {
    expect({ status, code }).toEqual({ status: 401, code: 'session_expired' });
    expect(headers['set-cookie']).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
  }
  for (const member of cluster.members) {
    expect(await bob.call(member)).toMatchObject({ status: 401, code: 'session_expired' });
  }
  expect(refreshes()).toBe(2);
  expect(familyOf(bob)).toMatchObject({ alive: false, reuses: 1 });
});
