import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { type GatewayCluster, openGatewayCluster } from '../../testkit/gateway/cluster.ts';
import { startLoad } from '../../testkit/gateway/load.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';
import { requireToken, status } from '../../testkit/upstream/behaviours.ts';

let cluster: GatewayCluster;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: 4 });
});
beforeEach(() => {
  cluster.provider.requests.length = 0;
  cluster.upstream.requests.length = 0;
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const refreshes = () => cluster.provider.tokenCalls({ grant: 'refresh_token' });

it('fifty requests with a token that was revoked before its expiry cause one refresh and all succeed', async () => {
  const [alice] = await cluster.signIn(['alice'] as const);
  const [token] = cluster.provider.families.at(-1)?.accessTokens ?? [];
  cluster.provider.revokeAccessToken(token?.token ?? '');
  const calls = Array.from({ length: 50 }, (_, at) =>
    cluster.members.slice(at % 2, (at % 2) + 1).map((member) => alice.call(member, `/api/${at}/`)),
  ).flat();
  expect(countOccurrences((await Promise.all(calls)).map((response) => response.status))).toEqual({
    200: 50,
  });
  expect(refreshes()).toBe(1);
  const sent = countOccurrences(cluster.upstream.requests.map(({ target }) => target));
  expect(Object.keys(sent)).toHaveLength(50);
  expect(Math.max(...Object.values(sent))).toBeLessThanOrEqual(2);
});

it('an API that rejects every token causes a few refreshes a minute and its 401 reaches the browser', async () => {
  const [bob] = await cluster.signIn(['bob'] as const);
  cluster.upstream.respond(status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }));
  const load = startLoad(cluster, Array<typeof bob>(20).fill(bob));
  await sleep(3_000);
  await load.stop();
  cluster.upstream.respond(requireToken(cluster.provider.isAccessTokenActive, status(200)));

  expect(load.responses.length).toBeGreaterThan(100);
  for (const response of load.responses) {
    expect(response).toMatchObject({ status: 401, code: undefined });
    expect(response.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  }
  // One for each useless refresh that is allowed per minute, and one for each process that had begun before it knew.
  expect(refreshes()).toBeGreaterThanOrEqual(1);
  expect(refreshes()).toBeLessThanOrEqual(3 + cluster.members.length);
  for (const member of cluster.members) expect(await bob.call(member)).toMatchObject({ status: 200 });
});
