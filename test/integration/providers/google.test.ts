import { expect, it, onTestFinished } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { startGoogle } from '../../../testkit/providers/named/google.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Google',
  open: startGoogle,
  lifeMs: 3_599_000,
  rotation: 'kept',
  reuse: 'is allowed',
  signOut: 'here',
  revokes: true,
});

it('the login request to Google carries access_type and prompt and only scopes that Google knows', async () => {
  const fixture = await openProviderFixture({ open: startGoogle });
  onTestFinished(() => fixture.close());
  const { authorizationUrl } = await beginLogin(fixture.agent);
  expect(Object.fromEntries(authorizationUrl.searchParams)).toMatchObject({
    access_type: 'offline',
    prompt: 'consent',
    scope: 'openid email profile',
  });
});

it('Google issues no refresh token without access_type offline and the session ends with its access token', async () => {
  const fixture = await openProviderFixture(
    { open: startGoogle },
    { config: { provider: { authorizationParams: { access_type: 'online' } } } },
  );
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  fixture.advance(3_599_000);
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  expect(fixture.fake.tokenCalls()).toBe(1);
});

it('Google issues a refresh token at a second sign-in because of prompt=consent', async () => {
  const fixture = await openProviderFixture({ open: startGoogle });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  await fixture.signIn();
  fixture.advance(3_599_000);
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  expect(fixture.fake.tokenLedger()).toHaveLength(2);
});
