import { expect, it, onTestFinished } from 'vitest';
import { startHydra } from '../../../testkit/providers/named/hydra.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';
import { logoutClaims, postLogoutToken } from '../../../testkit/secrets/logout-token.ts';

const LIFE_MS = 3_599_000;

describeProvider({
  name: 'Ory Hydra',
  open: startHydra,
  lifeMs: LIFE_MS,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'there',
  revokes: true,
});

async function openFixture() {
  const hydra = await startHydra();
  const fixture = await openProviderFixture({ open: async () => hydra });
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  return { hydra, fixture };
}

it('the session and its claims stay when Hydra signs a refreshed ID token with a new key under the old kid', async () => {
  const { hydra, fixture } = await openFixture();
  const before = (await fixture.agent.fetch('/auth/session')).json();
  hydra.signWith('other-key');
  for (let round = 0; round < 2; round += 1) {
    fixture.advance(LIFE_MS);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
  }
  const { claims } = Object(before);
  expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true, claims });
  expect(fixture.spent()).toEqual([1, 1, 0]);
  const warning = /"level":"warn"[^\n]*cannot verify a refreshed ID token/g;
  expect(fixture.gateway.logs().match(warning)).toHaveLength(1);
});

it('a logout token of Hydra, which has no exp, ends the session', async () => {
  const { hydra, fixture } = await openFixture();
  const { exp: _exp, ...claims } = logoutClaims(hydra, { sid: hydra.families[0]?.grant.sid ?? '' });
  const response = await postLogoutToken(fixture.agent, await hydra.sign(claims, 'logout+jwt'));
  expect(response.status).toBe(200);
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
});

it('a sign-out form carries the id_token_hint without which Hydra refuses the way back, and a fetch does not', async () => {
  const { fixture } = await openFixture();
  const { response, chain } = await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
  expect(response.url).toBe(`${fixture.gateway.url}/`);
  const there = chain.map(({ url }) => new URL(url)).find(({ origin }) => origin !== fixture.agent.origin);
  expect(there?.searchParams.get('id_token_hint')).toMatch(/^ey/);

  await fixture.signIn();
  const { logoutUrl } = Object((await fixture.agent.fetch('/auth/logout', { method: 'POST' })).json());
  expect(new URL(logoutUrl).searchParams.has('id_token_hint')).toBe(false);
  expect((await fetch(logoutUrl, { redirect: 'manual' })).status).toBe(400);
});
