import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { type GatewayCluster, type Visitor, openGatewayCluster } from '../../testkit/gateway/cluster.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 30_000, interval: 50 };

let cluster: GatewayCluster;
let visitors: readonly [Visitor, Visitor, Visitor];

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: 2 });
  visitors = await cluster.signIn(['alice', 'bob', 'carol'] as const);
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const waiting = () => cluster.redis.command('ZCARD', 'coatcheck:revocations');
const familyOf = ({ name }: Visitor) => cluster.provider.families.find(({ grant }) => grant.subject === name);
const askedFor = (visitor: Visitor) => {
  const issued = familyOf(visitor)?.refreshTokens.map(({ token }) => token) ?? [];
  return cluster.provider.requests.filter(
    ({ endpoint, form }) => endpoint === 'revoke' && issued.includes(form?.['token'] ?? ''),
  );
};
const isNowhereToRead = async () => {
  const dump = await cluster.redis.dump();
  expect(dump).toContain('coatcheck:revocations');
  for (const { token } of cluster.provider.tokenLedger()) expect(dump).not.toContain(token);
};

it('another process takes over the revocation of a process that is killed during it and revokes the token once (standards: D7, D8)', async () => {
  const [alice] = visitors;
  const gate = cluster.provider.faults.hold('revoke');
  const doomed = cluster.member(0);
  const logout = alice.post(doomed, '/auth/logout');
  await gate.waiting();
  await cluster.kill(doomed);
  expect(await logout).toMatchObject({ status: 'cut' });
  expect(await alice.call(cluster.member(0))).toMatchObject({ status: 401, code: 'session_expired' });
  expect(await waiting()).toBe(1);
  await isNowhereToRead();
  // The request of the killed process is not processed: its connection closes before the gate opens.
  cluster.provider.faults.dropBefore('revoke');
  gate.release();
  await vi.waitFor(() => expect(familyOf(alice)).toMatchObject({ endedBecause: 'revoked' }), PATIENCE);
  await vi.waitFor(async () => expect(await waiting()).toBe(0), PATIENCE);
  expect(askedFor(alice)).toHaveLength(2);
});

it('processes that start after a provider outage revoke the tokens whose revocation failed during it (standards: D8)', async () => {
  const [, bob, carol] = visitors;
  cluster.provider.faults.revoke = { status: 503 };
  const last = cluster.member(0);
  for (const visitor of [bob, carol]) {
    expect(await visitor.post(last, '/auth/logout')).toMatchObject({ status: 200 });
    expect(familyOf(visitor)).toMatchObject({ alive: true });
  }
  await cluster.kill(last);
  expect(cluster.members).toHaveLength(0);
  expect(await waiting()).toBe(2);
  await isNowhereToRead();
  delete cluster.provider.faults.revoke;
  await Promise.all([cluster.add(), cluster.add(), cluster.add()]);
  for (const visitor of [bob, carol])
    await vi.waitFor(() => expect(familyOf(visitor)).toMatchObject({ endedBecause: 'revoked' }), PATIENCE);
  await vi.waitFor(async () => expect(await waiting()).toBe(0), PATIENCE);
  for (const visitor of [bob, carol])
    expect(askedFor(visitor).filter(({ status }) => status === 200)).toHaveLength(1);
});
