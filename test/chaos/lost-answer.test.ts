import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { summaryOf } from '../../testkit/token-ledger.ts';
import { type GatewayCluster, type Visitor, openFleet } from '../../testkit/cluster.ts';
import { tallyOf } from '../../testkit/tally.ts';

let fleet: GatewayCluster;
let alice: Visitor;
let bob: Visitor;

beforeAll(async () => {
  fleet = await openFleet({ size: 2 });
  [alice, bob] = await fleet.signInWithTokensOver(['alice', 'bob'] as const);
});
beforeEach(() => {
  fleet.provider.requests.length = 0;
});
afterAll(async () => {
  console.log('lost answers:', summaryOf(fleet));
  await fleet.close();
});

const refreshes = () => fleet.provider.tokenCalls({ grant: 'refresh_token' });
const familyOf = ({ name }: Visitor) => fleet.provider.families.find(({ grant }) => grant.subject === name);

/** Calls through all processes at once; the first answer of the token endpoint is lost on its way. */
async function callAtOnce(visitor: Visitor) {
  fleet.provider.faults.dropAfterProcessing('token');
  const calls = fleet.members.flatMap((member) => Array.from({ length: 20 }, () => visitor.call(member)));
  return Promise.all(calls);
}

it('a lost token response is recovered within the grace period of the provider and every request succeeds', async () => {
  Object.assign(fleet.provider, { rotate: 'grace', graceMs: 30_000 });
  const answers = await callAtOnce(alice);
  expect(tallyOf(answers.map(({ status }) => status))).toEqual({ 200: 40 });
  expect(refreshes()).toBe(2);
  expect(familyOf(alice)).toMatchObject({ alive: true, reuses: 0 });
});

it('a lost token response ends the session cleanly after one retry when each refresh token allows one use', async () => {
  Object.assign(fleet.provider, { rotate: 'strict', graceMs: 0 });
  const answers = await callAtOnce(bob);
  for (const { status, code, headers } of answers) {
    expect({ status, code }).toEqual({ status: 401, code: 'session_expired' });
    expect(headers['set-cookie']).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
  }
  for (const member of fleet.members) {
    expect(await bob.call(member)).toMatchObject({ status: 401, code: 'session_expired' });
  }
  expect(refreshes()).toBe(2);
  expect(familyOf(bob)).toMatchObject({ alive: false, reuses: 1 });
});
