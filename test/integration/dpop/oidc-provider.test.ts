import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import type { Configuration } from 'oidc-provider';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createProofVerifier } from '../../../testkit/dpop/proof-verifier.ts';
import { requireProof } from '../../../testkit/dpop/protected-upstream.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { startRealProvider, type RealProvider } from '../../../testkit/providers/real-provider.ts';

const CLIENT = { client_secret: 'canary-client-secret-of-the-real-provider', dpop_bound_access_tokens: true };

type Features = NonNullable<Configuration['features']>;
type Setup = {
  features: Features;
  client?: Record<string, unknown>;
  section?: Record<string, unknown>;
};

const CIBA = 'urn:openid:params:grant-type:ciba';

/** A gateway at an oidc-provider that issues bound tokens only. */
async function open({ features, client = {}, section = {} }: Setup) {
  const proofsOfPushes: string[] = [];
  let provider: RealProvider | undefined;
  let verifier = createProofVerifier();
  const fixture = await openProviderFixture({
    open: async (clock) => {
      verifier = createProofVerifier({ clock });
      provider = await startRealProvider({
        clock,
        client: { ...CLIENT, ...client },
        configuration: { features },
        section: { clientSecret: CLIENT.client_secret, dpop: true, userinfo: 'login', ...section },
        intercept({ url, headers }) {
          if (url === '/request') proofsOfPushes.push(String(headers['dpop']));
          return false;
        },
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
  const instance = () => {
    if (provider === undefined) throw new Error('the provider has not started');
    return provider.instance;
  };
  return { ...fixture, verifier, instance, proofsOfPushes };
}

const withNonces = { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true };

describe.each([
  ['without nonces', { enabled: true }],
  ['with required nonces', withNonces],
])('DPoP at oidc-provider %s', (_name, dPoP) => {
  it('signs in, calls an API and refreshes with the one key of the session (standards: H2, H3)', async () => {
    const { signIn, agent, advance, spent, verifier } = await open({ features: { dPoP } });
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

  it('proves the key when it pushes the authorization request (standards: H1, H2, H3)', async () => {
    const { agent, signIn, instance, verifier, proofsOfPushes } = await open({
      features: {
        dPoP,
        pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
      },
      section: { par: 'required' },
    });
    const pushed: unknown[] = [];
    instance().on('pushed_authorization_request.success', ({ oidc }) => pushed.push(oidc.entities));
    await signIn();
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(pushed).toMatchObject([{ PushedAuthorizationRequest: { dpopJkt: verifier.thumbprints[0] } }]);
    // The parameter `dpop_jkt` alone would bind the code as well.
    const { payload, protectedHeader } = await jwtVerify(proofsOfPushes.at(-1) ?? '', EmbeddedJWK);
    expect(payload).toMatchObject({ htm: 'POST', htu: expect.stringMatching(/\/request$/) });
    expect(await calculateJwkThumbprint(protectedHeader.jwk ?? {})).toBe(verifier.thumbprints[0]);
  });

  it('proves a key when it polls for a sign-in on another device (standards: H2, H13)', async () => {
    let request = { id: '', accountId: '' };
    const { agent, advance, instance, verifier } = await open({
      client: {
        grant_types: [CIBA, 'authorization_code', 'refresh_token'],
        backchannel_token_delivery_mode: 'poll',
      },
      section: { login: 'decoupled' },
      features: {
        dPoP,
        ciba: {
          enabled: true,
          deliveryModes: ['poll'],
          processLoginHint: async (_ctx, loginHint = '') => loginHint,
          validateBindingMessage: async () => undefined,
          validateRequestContext: async () => undefined,
          verifyUserCode: async () => undefined,
          triggerAuthenticationDevice: async (_ctx, { jti }, account) => {
            request = { id: jti, accountId: account?.accountId ?? '' };
          },
        },
      },
    });
    const headers = { 'content-type': 'application/json' };
    await agent.fetch('/auth/decoupled', { method: 'POST', headers, body: '{"login_hint":"alice"}' });
    const { id, accountId } = request;
    const grant = new (instance().Grant)({ accountId, clientId: 'web' });
    grant.addOIDCScope('openid profile email offline_access');
    await instance().backchannelResult(id, await grant.save());
    advance(5_000);
    expect((await agent.fetch('/auth/decoupled')).status).toBe(200);
    expect((await agent.fetch('/api/a')).status).toBe(200);
    advance(300_000);
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(new Set(verifier.thumbprints).size).toBe(1);
  });
});
