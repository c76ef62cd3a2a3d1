import { expect, it, onTestFinished } from 'vitest';
import { startCognito } from '../../../testkit/providers/named/cognito.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Amazon Cognito',
  open: startCognito,
  lifeMs: 3_600_000,
  rotation: 'kept',
  reuse: 'is allowed',
  signOut: 'there',
  revokes: true,
});

it.each([false, true])(
  'a logout leads to the Cognito logout page whether Cognito announces an end-session endpoint (%s) or not',
  async (announcesLogout) => {
    const fixture = await openProviderFixture({ open: (clock) => startCognito(clock, { announcesLogout }) });
    onTestFinished(() => fixture.close());
    await fixture.signIn();
    const response = await fixture.agent.fetch('/auth/logout', { method: 'POST' });
    const { logoutUrl } = response.json() as { logoutUrl: string };
    const url = new URL(logoutUrl);
    expect(url.pathname).toBe('/eu-west-1_AbCdEfGhI/logout');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'web',
      logout_uri: `${fixture.gateway.url}/`,
    });
    expect((await fixture.agent.navigate(logoutUrl)).response.url).toBe(`${fixture.gateway.url}/`);
  },
);
