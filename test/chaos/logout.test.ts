import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { summaryOf } from '../support/books.ts';
import { type Fleet, type Visitor, openFleet } from '../support/fleet.ts';

let fleet: Fleet;
let alice: Visitor;
let bob: Visitor;

beforeAll(async () => {
  fleet = await openFleet({ size: 2 });
  [alice, bob] = await fleet.signInWithTokensOver(['alice', 'bob'] as const);
});
afterAll(async () => {
  console.log('logout:', summaryOf(fleet));
  await fleet.close();
});

const sessions = async () => (await fleet.redis.command('KEYS', 'coatcheck:session:*')) as string[];
const revoked = () =>
  fleet.provider.requests.filter(({ endpoint }) => endpoint === 'revoke').map(({ form }) => form?.['token']);

it.each([
  ['is yet to be processed', 'before', () => alice],
  ['has been processed', 'after', () => bob],
] as const)(
  'a logout stands although another process has a refresh under way that %s',
  async (_how, moment, who) => {
    const visitor = who();
    const before = await sessions();
    const gate = fleet.provider.faults.hold('token', moment);
    const waiter = visitor.call(fleet.member(0));
    await gate.waiting();
    expect(await visitor.post(fleet.member(1), '/auth/logout')).toMatchObject({ status: 200 });
    expect(await sessions()).toHaveLength(before.length - 1);
    gate.release();

    expect(await waiter).toMatchObject({ status: 401, code: 'session_expired' });
    expect(await sessions()).toHaveLength(before.length - 1);
    for (const member of fleet.members) {
      expect(await visitor.call(member)).toMatchObject({ status: 401, code: 'session_expired' });
    }
    const family = fleet.provider.families.find(({ grant }) => grant.subject === visitor.name);
    const issued = family?.refreshTokens.map(({ token }) => token) ?? [];
    expect(issued).toHaveLength(moment === 'after' ? 2 : 1);
    await vi.waitFor(() => expect(revoked()).toEqual(expect.arrayContaining(issued)));
    expect(family?.alive).toBe(false);
  },
);
