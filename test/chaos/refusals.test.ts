import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { summaryOf } from '../../testkit/token-ledger.ts';
import { type GatewayCluster, openFleet } from '../../testkit/cluster.ts';
import { startLoad } from '../../testkit/load.ts';
import { tallyOf } from '../../testkit/tally.ts';
import { requireToken, status } from '../../testkit/upstream/behaviours.ts';

let fleet: GatewayCluster;

beforeAll(async () => {
  fleet = await openFleet({ size: 4 });
});
beforeEach(() => {
  fleet.provider.requests.length = 0;
  fleet.upstream.requests.length = 0;
});
afterAll(async () => {
  console.log('refusals:', summaryOf(fleet));
  await fleet.close();
});

const refreshes = () => fleet.provider.tokenCalls({ grant: 'refresh_token' });

it('fifty requests with a token that was revoked before its expiry cause one refresh and all succeed', async () => {
  const [alice] = await fleet.signIn(['alice'] as const);
  const [token] = fleet.provider.families.at(-1)?.accessTokens ?? [];
  fleet.provider.revokeAccessToken(token?.token ?? '');
  const calls = Array.from({ length: 50 }, (_, at) =>
    fleet.members.slice(at % 2, (at % 2) + 1).map((member) => alice.call(member, `/api/${at}/`)),
  ).flat();
  expect(tallyOf((await Promise.all(calls)).map((answer) => answer.status))).toEqual({ 200: 50 });
  expect(refreshes()).toBe(1);
  const sent = tallyOf(fleet.upstream.requests.map(({ target }) => target));
  expect(Object.keys(sent)).toHaveLength(50);
  expect(Math.max(...Object.values(sent))).toBeLessThanOrEqual(2);
});

it('an API that rejects every token causes a few refreshes a minute and its 401 reaches the browser', async () => {
  const [bob] = await fleet.signIn(['bob'] as const);
  fleet.upstream.respond(status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }));
  const load = startLoad(fleet, Array<typeof bob>(20).fill(bob));
  await sleep(3_000);
  await load.stop();
  fleet.upstream.respond(requireToken(fleet.provider.isAccessTokenActive, status(200)));

  expect(load.answers.length).toBeGreaterThan(100);
  for (const answer of load.answers) {
    expect(answer).toMatchObject({ status: 401, code: undefined });
    expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  }
  // One for each renewal in vain that is granted a minute, and one for each process that had begun before it knew.
  expect(refreshes()).toBeGreaterThanOrEqual(1);
  expect(refreshes()).toBeLessThanOrEqual(3 + fleet.members.length);
  for (const member of fleet.members) expect(await bob.call(member)).toMatchObject({ status: 200 });
});
