import { expect, it, onTestFinished } from 'vitest';
import { OVERLAP_MS, startAuth0 } from '../../../testkit/providers/named/auth0.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Auth0',
  open: startAuth0,
  lifeMs: 86_400_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'there',
  revokes: true,
});

const LIFE = 86_400_000;

async function open() {
  const auth0 = await startAuth0();
  const fixture = await openProviderFixture({
    open: async (clock) => Object.assign(auth0, { clockOffsetMs: clock() - Date.now() }),
  });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  return { auth0, fixture };
}

it('Auth0 accepts a refresh token twice within its overlap period after a lost response and the session continues', async () => {
  const { auth0, fixture } = await open();
  fixture.advance(LIFE);
  auth0.faults.dropAfterProcessing('token');
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  expect(auth0.tokenLedger().map(({ spent }) => spent)).toEqual([2, 0, 0]);
  expect(auth0.families).toMatchObject([{ alive: true, reuses: 0 }]);
});

it('Auth0 rejects a reused refresh token with status 403 and the gateway ends the session', async () => {
  const { auth0, fixture } = await open();
  const stolen = fixture.fake.tokenLedger()[0]?.token ?? '';
  await fixture.fake.replay(stolen);
  auth0.clockOffsetMs += OVERLAP_MS + 1;
  fixture.advance(LIFE);
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  expect(auth0.requests.at(-1)?.status).toBe(403);
  expect(auth0.families).toMatchObject([{ alive: false, endedBecause: 'refresh token reused' }]);
});
