import { UnsecuredJWT } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { SSO_IDLE, startKeycloak } from '../../../testkit/providers/named/keycloak.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';
import { logoutToken, postLogoutToken } from '../../../testkit/secrets/logout-token.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

const keycloak = { lifeMs: 300_000, signOut: 'there', revokes: true } as const;

describeProvider({
  ...keycloak,
  name: 'Keycloak',
  open: startKeycloak,
  rotation: 'added',
  reuse: 'is allowed',
});

describeProvider({
  ...keycloak,
  name: 'Keycloak that revokes refresh tokens',
  open: (clock) => startKeycloak(clock, { revokes: true }),
  rotation: 'spent',
  reuse: 'ends the session',
});

it('the session ends without a refresh request when the Keycloak SSO session has idled out', async () => {
  const fixture = await openProviderFixture({ open: startKeycloak });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  fixture.advance(SSO_IDLE * 1000 - 1000);
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  fixture.advance(SSO_IDLE * 1000);
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  expect(fixture.refreshes()).toBe(1);
});

it('a refresh_expires_in of 0 for an offline token of Keycloak sets no session limit', async () => {
  const scopes = ['openid', 'offline_access'];
  const fixture = await openProviderFixture({ open: startKeycloak }, { config: { provider: { scopes } } });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  fixture.advance(SSO_IDLE * 2000);
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
});

it('refresh tokens of Keycloak that are JWTs are treated as opaque', async () => {
  const keycloak = await startKeycloak();
  keycloak.shapeRefreshToken = async (jti) =>
    new UnsecuredJWT({ jti, sub: 'somebody else', aud: 'another client' })
      .setExpirationTime(0)
      .setNotBefore('10y')
      .encode();
  const fixture = await openProviderFixture({ open: async () => keycloak });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  for (let round = 0; round < 3; round += 1) {
    fixture.advance(300_000);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  }
});

it('one logout token of Keycloak for "log out all sessions", with a sub and no sid, ends every session of the user', async () => {
  const keycloak = await startKeycloak();
  const fixture = await openProviderFixture({ open: async () => keycloak });
  onTestFinished(() => fixture.close());
  const second = createUserAgent(fixture.gateway.url);
  onTestFinished(() => second.close());
  await fixture.signIn();
  await second.signIn();
  const sub = keycloak.families[0]?.grant.subject ?? '';
  expect((await postLogoutToken(second, await logoutToken(keycloak, { sub }))).status).toBe(200);
  for (const browser of [fixture.agent, second])
    expect((await browser.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
});

it('an active session outlives the SSO idle of Keycloak, though that is shorter than the life of its access tokens', async () => {
  const keycloak = await startKeycloak();
  // "SSO Session Idle" 60 s, "Access Token Lifespan" 300 s.
  keycloak.patchTokenResponse = (response) => ({ ...response, refresh_expires_in: 60 });
  const fixture = await openProviderFixture({ open: async () => keycloak });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  for (let round = 0; round < 6; round += 1) {
    fixture.advance(50_000);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    const expiresIn = async () => Object((await fixture.agent.fetch('/auth/session')).json()).expiresIn;
    await expect.poll(expiresIn, { timeout: 20_000 }).toBeGreaterThan(30);
  }
});
