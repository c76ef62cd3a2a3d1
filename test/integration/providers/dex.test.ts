import { expect, it, onTestFinished } from 'vitest';
import { DEX_LIFETIME, startDex } from '../../../testkit/providers/named/dex.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

describeProvider({
  name: 'Dex',
  open: startDex,
  lifeMs: DEX_LIFETIME * 1000,
  rotation: 'spent',
  reuse: 'is rejected',
  signOut: 'here',
  revokes: false,
});

async function openFixture() {
  const fixture = await openProviderFixture({ open: startDex });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  return fixture;
}

it('a session whose refresh token Dex has deleted lasts until its access token expires and ends with a clean 401', async () => {
  const fixture = await openFixture();
  // The same user signs in with another browser.
  const other = createUserAgent(fixture.gateway.url);
  onTestFinished(() => other.close());
  await other.signIn();
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);

  fixture.advance(DEX_LIFETIME * 1000);
  const refused = await fixture.agent.fetch('/api/one');
  expect(refused.json()).toMatchObject({ status: 401, code: 'session_expired' });
  expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  expect(fixture.gateway.logs()).toContain('"reason":"refresh_rejected"');
  expect((await other.fetch('/api/one')).status).toBe(200);
});

it('a sign-out from Dex asks for no endpoint that Dex does not have', async () => {
  const fixture = await openFixture();
  const response = await fixture.agent.fetch('/auth/logout', { method: 'POST' });
  expect(response.json()).toEqual({ logoutUrl: '/' });
  expect(fixture.gateway.logs()).not.toContain('revoke');
});
