import { expect, it, onTestFinished } from 'vitest';
import { startCognito } from '../../../testkit/providers/cognito.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Amazon Cognito',
  open: startCognito,
  lifeMs: 3_600_000,
  rotation: 'kept',
  reuse: 'is borne',
  signOut: 'there',
  revokes: true,
});

it.each([false, true])(
  'a logout leads to the Cognito logout page whether Cognito announces an end-session endpoint (%s) or not',
  async (announcesLogout) => {
    const stand = await openProviderFixture({ open: (clock) => startCognito(clock, { announcesLogout }) });
    onTestFinished(() => stand.close());
    await stand.signIn();
    const answer = await stand.agent.fetch('/auth/logout', { method: 'POST' });
    const { logoutUrl } = answer.json() as { logoutUrl: string };
    const url = new URL(logoutUrl);
    expect(url.pathname).toBe('/eu-west-1_AbCdEfGhI/logout');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'web',
      logout_uri: `${stand.gateway.url}/`,
    });
    expect((await stand.agent.navigate(logoutUrl)).response.url).toBe(`${stand.gateway.url}/`);
  },
);
