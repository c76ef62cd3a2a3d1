import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errors } from '../../../demo/oidc.ts';
import { type CibaProvider, startCibaProvider } from '../../../testkit/providers/ciba.ts';
import { type RealProvider, startRealProvider } from '../../../testkit/providers/real-provider.ts';
import { type ProviderFixture, openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';
import type { UserAgent } from '../../../testkit/user-agent.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';

const begin = (agent: UserAgent) =>
  agent.fetch('/auth/decoupled', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login_hint: 'alice', binding_message: 'W4SCT' }),
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
    const answer = await agent.fetch('/auth/decoupled');
    if (answer.status !== 200) throw new Error(`the sign-in failed: ${answer.status} ${answer.text()}`);
  },
  lifeMs: 300_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'here',
  revokes: false,
});

describe('OpenID CIBA with oidc-provider', () => {
  let stand: ProviderFixture;
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
    stand = await openProviderFixture({ open });
  });
  afterEach(() => stand.close());

  const approve = async () => {
    const grant = new real.instance.Grant({ accountId: asked?.accountId ?? '', clientId: 'web' });
    grant.addOIDCScope('openid profile email offline_access');
    await real.instance.backchannelResult(asked?.id ?? '', await grant.save());
  };
  const poll = () => {
    stand.advance(5_000);
    return stand.agent.fetch('/auth/decoupled');
  };

  it('signs in, calls an API, refreshes and signs out', async () => {
    expect((await begin(stand.agent)).json()).toMatchObject({ status: 'pending', interval: 5 });
    expect(asked).toMatchObject({ accountId: 'alice', bindingMessage: 'W4SCT' });
    expect((await poll()).json()).toMatchObject({ status: 'pending', interval: 5 });
    await approve();
    expect((await poll()).status).toBe(200);
    expect((await stand.agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject: 'alice',
    });
    expect((await stand.agent.fetch('/api/one')).status).toBe(200);
    for (let round = 0; round < 3; round += 1) {
      stand.advance(300_000);
      expect((await stand.agent.fetch('/api/one')).status).toBe(200);
    }
    expect(stand.refreshes()).toBe(3);
    expect(real.tokenCalls({ grant: CIBA })).toBe(2);
    await stand.agent.fetch('/auth/logout', { method: 'POST' });
    expect(real.tokenLedger().some(({ familyAlive }) => familyAlive)).toBe(false);
  });

  it('ends with 403 when the user denies the request', async () => {
    await begin(stand.agent);
    await real.instance.backchannelResult(asked?.id ?? '', new errors.AccessDenied());
    const answer = await poll();
    expect(answer.status).toBe(403);
    expect(answer.json()).toMatchObject({ code: 'login_denied' });
  });

  it('ends with 410 when the provider no longer knows the request', async () => {
    await begin(stand.agent);
    const request = await real.instance.BackchannelAuthenticationRequest.find(asked?.id ?? '');
    await request?.destroy();
    expect((await poll()).status).toBe(410);
  });
});
