import type { Configuration } from 'oidc-provider';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createProofVerifier } from '../../../testkit/dpop/proof-verifier.ts';
import { requireProof } from '../../../testkit/dpop/protected-upstream.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { startRealProvider, type RealProvider } from '../../../testkit/providers/real-provider.ts';

const CLIENT = { client_secret: 'canary-client-secret-of-the-real-provider', dpop_bound_access_tokens: true };

/** A gateway at an oidc-provider that issues bound tokens only. */
async function open(dpop: NonNullable<Configuration['features']>['dPoP']) {
  let provider: RealProvider | undefined;
  let verifier = createProofVerifier();
  const fixture = await openProviderFixture({
    open: async (clock) => {
      verifier = createProofVerifier({ clock });
      provider = await startRealProvider({
        clock,
        client: CLIENT,
        configuration: { features: { dPoP: dpop } },
        section: { clientSecret: CLIENT.client_secret, dpop: true, userinfo: 'login' },
      });
      return provider;
    },
  });
  onTestFinished(() => fixture.close());
  fixture.upstream.respond(
    requireProof({
      origin: fixture.upstream.url,
      verifier,
      thumbprintOf: async (token) => (await provider?.instance.AccessToken.find(token))?.jkt,
    }),
  );
  return { ...fixture, verifier };
}

describe.each([
  ['without nonces', { enabled: true }],
  ['with required nonces', { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true }],
])('DPoP at oidc-provider %s', (_name, feature) => {
  it('signs in, calls an API and refreshes with the one key of the session (H2, H3)', async () => {
    const { signIn, agent, advance, spent, verifier } = await open(feature);
    await signIn();
    expect((await agent.fetch('/api/a')).status).toBe(200);
    for (let count = 0; count < 2; count += 1) {
      advance(300_000);
      expect((await agent.fetch('/api/a')).status).toBe(200);
    }
    expect(verifier.thumbprints).toHaveLength(3);
    expect(new Set(verifier.thumbprints).size).toBe(1);
    expect(spent()).toEqual([1, 1, 0]);
  });
});
