import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  BASE_URL,
  type GatewayCluster,
  type Member,
  type Visitor,
  openGatewayCluster,
} from '../../testkit/gateway/cluster.ts';
import { logoutToken, postLogoutToken } from '../../testkit/secrets/logout-token.ts';
import { createUserAgent } from '../../testkit/user-agent/user-agent.ts';

let cluster: GatewayCluster;
let alice: Visitor;
let bob: Visitor;
let carol: Visitor;
let dave: Visitor;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: 2 });
  [alice, bob, carol, dave] = await cluster.signInWithTokensOver(['alice', 'bob', 'carol', 'dave'] as const);
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const sessions = async () => (await cluster.redis.command('KEYS', 'coatcheck:session:*')) as string[];
const revoked = () =>
  cluster.provider.requests
    .filter(({ endpoint }) => endpoint === 'revoke')
    .map(({ form }) => form?.['token']);

/** Signs out, as the page does. */
const byPage = async (visitor: Visitor, at: Member) => (await visitor.post(at, '/auth/logout')).status;

/** Makes the provider send a back-channel logout for a user. */
const byProvider = async ({ name }: Visitor, { program }: Member) => {
  const caller = createUserAgent(BASE_URL, { connect: { host: '127.0.0.1', port: program.port } });
  const response = await postLogoutToken(caller, await logoutToken(cluster.provider, { sub: name }));
  caller.close();
  return response.status;
};

it.each([
  ['a logout', 'has not processed yet', 'before', byPage, () => alice],
  ['a logout', 'has already processed', 'after', byPage, () => bob],
  ['a back-channel logout', 'has not processed yet', 'before', byProvider, () => carol],
  ['a back-channel logout', 'has already processed', 'after', byProvider, () => dave],
] as const)(
  '%s ends the session although another process has a refresh in progress that the provider %s (standards: D19, G14)',
  async (_what, _how, moment, signOut, who) => {
    const visitor = who();
    const before = await sessions();
    const gate = cluster.provider.faults.hold('token', moment);
    const waiter = visitor.call(cluster.member(0));
    await gate.waiting();
    expect(await signOut(visitor, cluster.member(1))).toBe(200);
    expect(await sessions()).toHaveLength(before.length - 1);
    gate.release();

    expect(await waiter).toMatchObject({ status: 401, code: 'session_expired' });
    expect(await sessions()).toHaveLength(before.length - 1);
    for (const member of cluster.members) {
      expect(await visitor.call(member)).toMatchObject({ status: 401, code: 'session_expired' });
    }
    const family = cluster.provider.families.find(({ grant }) => grant.subject === visitor.name);
    const issued = family?.refreshTokens.map(({ token }) => token) ?? [];
    // A logout by a page waits for the revocation, so that a refresh processed later comes too late.
    expect(issued.length).toBeGreaterThanOrEqual(moment === 'after' ? 2 : 1);
    expect(issued.length).toBeLessThanOrEqual(moment === 'before' && signOut === byPage ? 1 : 2);
    await vi.waitFor(() => expect(revoked()).toEqual(expect.arrayContaining(issued)), { timeout: 20_000 });
    expect(family?.alive).toBe(false);
  },
);
