import { UnsecuredJWT } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { SSO_IDLE, startKeycloak } from '../../../testkit/providers/named/keycloak.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

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
