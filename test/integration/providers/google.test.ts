import { expect, it, onTestFinished } from 'vitest';
import { beginLogin } from '../../../testkit/login-steps.ts';
import { startGoogle } from '../../../testkit/providers/google.ts';
import { openStand } from '../../../testkit/providers/stand.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Google',
  open: startGoogle,
  lifeMs: 3_599_000,
  rotation: 'kept',
  reuse: 'is borne',
  signOut: 'here',
  revokes: true,
});

it('is asked by its own parameters, and for no scope that it does not know', async () => {
  const stand = await openStand({ open: startGoogle });
  onTestFinished(() => stand.close());
  const { authorizationUrl } = await beginLogin(stand.agent);
  expect(Object.fromEntries(authorizationUrl.searchParams)).toMatchObject({
    access_type: 'offline',
    prompt: 'consent',
    scope: 'openid email profile',
  });
});

it('gives no refresh token without them: the session then ends with its access token', async () => {
  const stand = await openStand(
    { open: startGoogle },
    { config: { provider: { authorizationParams: { access_type: 'online' } } } },
  );
  onTestFinished(() => stand.close());
  await stand.signIn();
  expect((await stand.agent.fetch('/api/one')).status).toBe(200);
  stand.advance(3_599_000);
  expect((await stand.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  expect(stand.fake.tokenCalls()).toBe(1);
});

it('gives a refresh token at a second sign-in, too, since it is asked for consent', async () => {
  const stand = await openStand({ open: startGoogle });
  onTestFinished(() => stand.close());
  await stand.signIn();
  await stand.signIn();
  stand.advance(3_599_000);
  expect((await stand.agent.fetch('/api/one')).status).toBe(200);
  expect(stand.fake.books()).toHaveLength(2);
});
