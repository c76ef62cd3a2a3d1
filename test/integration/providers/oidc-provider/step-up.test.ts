import { interactionPolicy } from '../../../../testkit/providers/oidc-provider.ts';
import { type Configuration } from 'oidc-provider';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openProviderFixture } from '../../../../testkit/providers/provider-fixture.ts';
import { startRealProvider } from '../../../../testkit/providers/real-provider.ts';
import { echo, inSequence, status } from '../../../../testkit/upstream/behaviours.ts';

/** Grants are those of the browser's session at the provider, as by default: a later sign-in adds to one. */
function honouring(): Configuration {
  const policy = interactionPolicy.base();
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('acr', 'another authentication context is required', ({ oidc }) => {
      const asked = oidc.params?.['acr_values'];
      if (typeof asked !== 'string' || oidc.result?.login !== undefined) return false;
      return !asked.split(' ').includes(oidc.session?.acr ?? '');
    }),
  );
  policy.remove('consent');
  return {
    acrValues: ['gold'],
    scopes: ['openid', 'offline_access', 'items.write'],
    interactions: { policy },
    ...grants,
  };
}

const grants: Configuration = {
  async loadExistingGrant({ oidc }) {
    const { session, client, provider, requestParamScopes } = oidc;
    const known = session?.grantIdFor(client?.clientId ?? '');
    const grant =
      (known === undefined ? undefined : await provider.Grant.find(known)) ??
      new provider.Grant({ accountId: session?.accountId ?? '', clientId: client?.clientId ?? '' });
    grant.addOIDCScope([...requestParamScopes].join(' '));
    await grant.save();
    return grant;
  },
};

async function open(configuration: Configuration) {
  const fixture = await openProviderFixture(
    { open: (clock) => startRealProvider({ clock, configuration }) },
    {
      config: {
        provider: { scopes: ['openid', 'offline_access'] },
        session: { claims: ['sub', 'acr'] },
      },
    },
  );
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  const required = async (code: number, challenge: string) => {
    fixture.upstream.respond(inSequence(status(code, { 'www-authenticate': challenge }), echo));
    return ((await fixture.agent.fetch('/api/one')).json() as { loginUrl: string }).loginUrl;
  };
  const stepUp = async (code: number, challenge: string) => {
    const { response } = await fixture.agent.navigate(await required(code, challenge), { from: 'page' });
    return new URL(response.url).searchParams.get('auth_error');
  };
  return { ...fixture, stepUp };
}

const GOLD = 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="300"';

describe('oidc-provider', () => {
  it('honours a step-up, and the new session goes on with the grant of the old one (standards: H8)', async () => {
    const { agent, stepUp, advance, refreshes } = await open(honouring());
    expect(await stepUp(401, GOLD)).toBeNull();
    const session = (await agent.fetch('/auth/session')).json();
    expect(session).toMatchObject({ authenticated: true, claims: { acr: 'gold' } });
    advance(400_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it('grants a scope by a step-up', async () => {
    const { agent, upstream, stepUp } = await open(honouring());
    expect(await stepUp(403, 'Bearer error="insufficient_scope", scope="items.write"')).toBeNull();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(upstream.requests.at(-1)?.bearer).toBeDefined();
  });

  it('that does not know the acr leaves the session as it is', async () => {
    const { agent, stepUp, advance } = await open({ scopes: ['openid', 'offline_access'], ...grants });
    expect(await stepUp(401, GOLD)).toBe('step_up_unmet');
    advance(400_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });
});
