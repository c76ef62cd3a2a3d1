import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { summaryOf } from '../../testkit/token-ledger.ts';
import {
  BASE_URL,
  type GatewayCluster,
  type Member,
  type Visitor,
  openFleet,
} from '../../testkit/cluster.ts';
import { logoutToken, postLogoutToken } from '../../testkit/logout-token.ts';
import { createUserAgent } from '../../testkit/user-agent.ts';

let fleet: GatewayCluster;
let alice: Visitor;
let bob: Visitor;
let carol: Visitor;
let dave: Visitor;

beforeAll(async () => {
  fleet = await openFleet({ size: 2 });
  [alice, bob, carol, dave] = await fleet.signInWithTokensOver(['alice', 'bob', 'carol', 'dave'] as const);
});
afterAll(async () => {
  console.log('logout:', summaryOf(fleet));
  await fleet.close();
});

const sessions = async () => (await fleet.redis.command('KEYS', 'coatcheck:session:*')) as string[];
const revoked = () =>
  fleet.provider.requests.filter(({ endpoint }) => endpoint === 'revoke').map(({ form }) => form?.['token']);

/** Signs out, as the page does. */
const byPage = async (visitor: Visitor, at: Member) => (await visitor.post(at, '/auth/logout')).status;

/** Has the provider say that it has ended the sign-ins of a person. */
const byProvider = async ({ name }: Visitor, { program }: Member) => {
  const caller = createUserAgent(BASE_URL, { connect: { host: '127.0.0.1', port: program.port } });
  const answer = await postLogoutToken(caller, await logoutToken(fleet.provider, { sub: name }));
  caller.close();
  return answer.status;
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
    const gate = fleet.provider.faults.hold('token', moment);
    const waiter = visitor.call(fleet.member(0));
    await gate.waiting();
    expect(await signOut(visitor, fleet.member(1))).toBe(200);
    expect(await sessions()).toHaveLength(before.length - 1);
    gate.release();

    expect(await waiter).toMatchObject({ status: 401, code: 'session_expired' });
    expect(await sessions()).toHaveLength(before.length - 1);
    for (const member of fleet.members) {
      expect(await visitor.call(member)).toMatchObject({ status: 401, code: 'session_expired' });
    }
    const family = fleet.provider.families.find(({ grant }) => grant.subject === visitor.name);
    const issued = family?.refreshTokens.map(({ token }) => token) ?? [];
    // A page's logout waits for the revocation, so that a refresh yet to be processed comes too late.
    expect(issued.length).toBeGreaterThanOrEqual(moment === 'after' ? 2 : 1);
    expect(issued.length).toBeLessThanOrEqual(moment === 'before' && signOut === byPage ? 1 : 2);
    await vi.waitFor(() => expect(revoked()).toEqual(expect.arrayContaining(issued)));
    expect(family?.alive).toBe(false);
  },
);
