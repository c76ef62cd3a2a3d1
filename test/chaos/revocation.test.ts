import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { summaryOf } from '../../testkit/token-ledger.ts';
import { type GatewayCluster, type Visitor, openFleet } from '../../testkit/cluster.ts';

/** How long an outcome may take to show, in milliseconds. It is no measure of speed. */
const PATIENCE = { timeout: 30_000, interval: 50 };

let fleet: GatewayCluster;
let visitors: readonly [Visitor, Visitor, Visitor];

beforeAll(async () => {
  fleet = await openFleet({ size: 2 });
  visitors = await fleet.signIn(['alice', 'bob', 'carol'] as const);
});
afterAll(async () => {
  console.log('revocation:', summaryOf(fleet));
  await fleet.close();
});

const waiting = () => fleet.redis.command('ZCARD', 'coatcheck:revocations');
const familyOf = ({ name }: Visitor) => fleet.provider.families.find(({ grant }) => grant.subject === name);
const askedFor = (visitor: Visitor) => {
  const issued = familyOf(visitor)?.refreshTokens.map(({ token }) => token) ?? [];
  return fleet.provider.requests.filter(
    ({ endpoint, form }) => endpoint === 'revoke' && issued.includes(form?.['token'] ?? ''),
  );
};
const isNowhereToRead = async () => {
  const dump = await fleet.redis.dump();
  expect(dump).toContain('coatcheck:revocations');
  for (const { token } of fleet.provider.books()) expect(dump).not.toContain(token);
};

it('another process takes over the revocation of a process that is killed during it and revokes the token once (standards: D7, D8)', async () => {
  const [alice] = visitors;
  const gate = fleet.provider.faults.hold('revoke');
  const doomed = fleet.member(0);
  const logout = alice.post(doomed, '/auth/logout');
  await gate.waiting();
  await fleet.kill(doomed);
  expect(await logout).toMatchObject({ status: 'cut' });
  expect(await alice.call(fleet.member(0))).toMatchObject({ status: 401, code: 'session_expired' });
  expect(await waiting()).toBe(1);
  await isNowhereToRead();
  // What the dead process had sent is not processed: its connection is gone before the gate opens.
  fleet.provider.faults.dropBefore('revoke');
  gate.release();
  await vi.waitFor(() => expect(familyOf(alice)).toMatchObject({ endedBecause: 'revoked' }), PATIENCE);
  await vi.waitFor(async () => expect(await waiting()).toBe(0), PATIENCE);
  expect(askedFor(alice)).toHaveLength(2);
});

it('processes that start after a provider outage revoke the tokens whose revocation failed during it (standards: D8)', async () => {
  const [, bob, carol] = visitors;
  fleet.provider.faults.revoke = { status: 503 };
  const last = fleet.member(0);
  for (const visitor of [bob, carol]) {
    expect(await visitor.post(last, '/auth/logout')).toMatchObject({ status: 200 });
    expect(familyOf(visitor)).toMatchObject({ alive: true });
  }
  await fleet.kill(last);
  expect(fleet.members).toHaveLength(0);
  expect(await waiting()).toBe(2);
  await isNowhereToRead();
  delete fleet.provider.faults.revoke;
  await Promise.all([fleet.add(), fleet.add(), fleet.add()]);
  for (const visitor of [bob, carol])
    await vi.waitFor(() => expect(familyOf(visitor)).toMatchObject({ endedBecause: 'revoked' }), PATIENCE);
  await vi.waitFor(async () => expect(await waiting()).toBe(0), PATIENCE);
  for (const visitor of [bob, carol])
    expect(askedFor(visitor).filter(({ status }) => status === 200)).toHaveLength(1);
});
