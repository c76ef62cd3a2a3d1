import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errors } from '../../../testkit/providers/oidc-provider.ts';
import { type CibaProvider, startCibaProvider } from '../../../testkit/providers/ciba.ts';
import { type RealProvider, startRealProvider } from '../../../testkit/providers/real-provider.ts';
import { type ProviderFixture, openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';

const begin = (agent: UserAgent) =>
  agent.fetch('/auth/decoupled', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login_hint: 'alice' }),
  });

let fake: CibaProvider;
describeProvider({
  name: 'an OpenID provider at which people sign in on another device only',
  open: async (clock) => (fake = await startCibaProvider(clock)),
  signIn: async (agent) => {
    fake.approvals.intervalSeconds = 0.05;
    const begun = await begin(agent);
    if (begun.status !== 202) throw new Error(`the sign-in did not begin: ${begun.status} ${begun.text()}`);
    for (const approval of fake.approvals.all) approval.state = 'approved';
    await sleep(60);
    const response = await agent.fetch('/auth/decoupled');
    if (response.status !== 200) throw new Error(`the sign-in failed: ${response.status} ${response.text()}`);
  },
  lifeMs: 300_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'here',
  revokes: false,
});

describe('OpenID CIBA with oidc-provider', () => {
  let fixture: ProviderFixture;
  let real: RealProvider;
  let asked: { id: string; accountId: string; bindingMessage: unknown } | undefined;

  beforeEach(async () => {
    asked = undefined;
    const open = async (clock: () => number) =>
      (real = await startRealProvider({
        clock,
        client: {
          grant_types: [CIBA, 'authorization_code', 'refresh_token'],
          backchannel_token_delivery_mode: 'poll',
        },
        section: { clientSecret: 'canary-client-secret-of-the-real-provider', login: 'decoupled' },
        configuration: {
          ttl: {
            AccessToken: 300,
            RefreshToken: 86_400,
            Grant: 86_400,
            BackchannelAuthenticationRequest: 600,
          },
          features: {
            ciba: {
              enabled: true,
              deliveryModes: ['poll'],
              processLoginHint: async (_ctx, loginHint = '') => loginHint,
              validateBindingMessage: async () => undefined,
              validateRequestContext: async () => undefined,
              verifyUserCode: async () => undefined,
              triggerAuthenticationDevice: async (_ctx, request, account) => {
                const { binding_message: bindingMessage } = request.params ?? {};
                asked = { id: request.jti, accountId: account?.accountId ?? '', bindingMessage };
              },
            },
          },
        },
      }));
    fixture = await openProviderFixture({ open });
  });
  afterEach(() => fixture.close());

  const approve = async () => {
    const grant = new real.instance.Grant({ accountId: asked?.accountId ?? '', clientId: 'web' });
    grant.addOIDCScope('openid profile email offline_access');
    await real.instance.backchannelResult(asked?.id ?? '', await grant.save());
  };
  const poll = () => {
    fixture.advance(5_000);
    return fixture.agent.fetch('/auth/decoupled');
  };

  it('signs in, calls an API, refreshes and signs out', async () => {
    const begun = (await begin(fixture.agent)).json() as { bindingMessage: string };
    expect(begun).toMatchObject({ status: 'pending', interval: 5, bindingMessage: expect.any(String) });
    expect(asked).toMatchObject({ accountId: 'alice', bindingMessage: begun.bindingMessage });
    expect((await poll()).json()).toMatchObject({ status: 'pending', interval: 5 });
    await approve();
    expect((await poll()).status).toBe(200);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject: 'alice',
    });
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    for (let round = 0; round < 3; round += 1) {
      fixture.advance(300_000);
      expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    }
    expect(fixture.refreshes()).toBe(3);
    expect(real.tokenCalls({ grant: CIBA })).toBe(2);
    await fixture.agent.fetch('/auth/logout', { method: 'POST' });
    expect(real.tokenLedger().some(({ familyAlive }) => familyAlive)).toBe(false);
  });

  it('ends with 403 when the user denies the request', async () => {
    await begin(fixture.agent);
    await real.instance.backchannelResult(asked?.id ?? '', new errors.AccessDenied());
    const response = await poll();
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'login_denied' });
  });

  it('ends with 410 when the provider no longer knows the request', async () => {
    await begin(fixture.agent);
    const request = await real.instance.BackchannelAuthenticationRequest.find(asked?.id ?? '');
    await request?.destroy();
    expect((await poll()).status).toBe(410);
  });
});

describe('an OpenID provider without an authorization endpoint', () => {
  it('has no sign-in by redirect, and its error says so', async () => {
    const fixture = await openProviderFixture({ open: startCibaProvider });
    try {
      const response = await fixture.agent.get('/auth/login');
      expect(response.json()).toMatchObject({
        status: 400,
        code: 'login_failed',
        reason: expect.stringContaining('no authorization endpoint'),
      });
    } finally {
      await fixture.close();
    }
  });
});
