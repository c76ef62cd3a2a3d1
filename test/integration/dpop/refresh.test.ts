import { describe, expect, it } from 'vitest';
import { echo, inSequence, status } from '../../../testkit/upstream/behaviours.ts';
import { openDpopFixture, type DpopFixture } from './fixture.ts';

const HOUR_MS = 3_600_000;

/** Makes every request to the token endpoint cost a nonce that only the refusal tells. */
function requireNewNonces({ atProvider }: DpopFixture): void {
  let count = 0;
  atProvider.nonce = 'nonce-0';
  atProvider.afterProof = () => {
    count += 1;
    atProvider.nonce = `nonce-${count}`;
  };
}

const refreshes = ({ provider }: DpopFixture) => provider.tokenCalls({ grant: 'refresh_token' });
const signedIn = async (options?: Parameters<typeof openDpopFixture>[0]) => {
  const fixture = await openDpopFixture(options);
  await fixture.agent.signIn('/');
  return fixture;
};

describe('a sign-in with DPoP', () => {
  it('proves the key that its authorization request names to the token and userinfo endpoints (standards: H2)', async () => {
    const { atProvider, provider, agent } = await signedIn({ config: { provider: { userinfo: 'login' } } });
    const [authorization] = provider.requests.filter(({ endpoint }) => endpoint === 'authorize');
    const thumbprint = authorization?.query['dpop_jkt'];
    expect(atProvider.thumbprints).toEqual([thumbprint, thumbprint]);
    expect((await agent.fetch('/api/a')).status).toBe(200);
  });

  it('gets its nonces from refusals of the token and userinfo endpoints (standards: H3)', async () => {
    const fixture = await openDpopFixture({ config: { provider: { userinfo: 'login' } } });
    fixture.atProvider.nonce = 'nonce-1';
    await fixture.agent.signIn('/');
    expect(fixture.atProvider.nonceRefusals).toBe(1);
    expect(fixture.provider.tokenCalls()).toBe(2);
  });

  it('fails when each nonce is refused, after one repetition (standards: H3)', async () => {
    const { atProvider, provider, agent } = await openDpopFixture();
    let count = 0;
    const verify = atProvider.verify.bind(atProvider);
    atProvider.verify = (...args) => {
      count += 1;
      atProvider.nonce = `nonce-${count}`;
      return verify(...args);
    };
    await expect(agent.signIn('/')).rejects.toThrow('the sign-in failed');
    expect(provider.tokenCalls()).toBe(2);
  });

  it('fails when the provider issues a bearer token, and revokes the refresh token (standards: H2)', async () => {
    const { provider, agent } = await openDpopFixture({
      provider: { patchTokenResponse: (json) => ({ ...json, token_type: 'Bearer' }) },
    });
    await expect(agent.signIn('/')).rejects.toThrow('the sign-in failed');
    expect(provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  });

  it.each(['dpop', 'DPOP'])('accepts the token type %s (standards: H2)', async (type) => {
    const { agent } = await signedIn({
      provider: { patchTokenResponse: (json) => ({ ...json, token_type: type }) },
    });
    expect((await agent.fetch('/api/a')).status).toBe(200);
  });

  it('for a step-up gets a key of its own (standards: E2, H8)', async () => {
    const { agent, atUpstream, protect } = await signedIn();
    const challenge = 'DPoP error="insufficient_user_authentication", acr_values="gold"';
    protect(inSequence(status(401, { 'www-authenticate': challenge }), echo));
    const { loginUrl } = (await agent.fetch('/api/a')).json() as { loginUrl: string };
    await agent.navigate(loginUrl, { from: 'page' });
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(new Set(atUpstream.thumbprints).size).toBe(2);
  });
});

describe('a refresh with DPoP', () => {
  it('proves the key of the session, and gets a token that is bound to it (standards: H2, G1)', async () => {
    const fixture = await signedIn();
    fixture.advance(HOUR_MS / 12);
    expect((await fixture.agent.fetch('/api/a')).status).toBe(200);
    expect(refreshes(fixture)).toBe(1);
    expect(new Set([...fixture.atProvider.thumbprints, ...fixture.atUpstream.thumbprints]).size).toBe(1);
  });

  it('is sent once more with the nonce of its refusal, which spends no refresh token (standards: H3, G1)', async () => {
    const fixture = await signedIn();
    requireNewNonces(fixture);
    for (let count = 0; count < 3; count += 1) {
      fixture.advance(HOUR_MS / 12);
      expect((await fixture.agent.fetch('/api/a')).status).toBe(200);
    }
    expect(fixture.provider.tokenLedger().map(({ spent }) => spent)).toEqual([1, 1, 1, 0]);
    // The first refusal tells the first nonce; each response has the next one.
    expect(fixture.atProvider.nonceRefusals).toBe(1);
  });

  it('keeps the session when each nonce is refused, and does not repeat more than once (standards: H3, G12)', async () => {
    const fixture = await signedIn();
    const { atProvider } = fixture;
    const verify = atProvider.verify.bind(atProvider);
    let count = 0;
    atProvider.verify = (...args) => {
      count += 1;
      atProvider.nonce = `nonce-${count}`;
      return verify(...args);
    };
    fixture.advance(HOUR_MS / 12);
    const response = await fixture.agent.fetch('/api/a');
    expect([response.status, refreshes(fixture)]).toEqual([503, 2]);
    expect(fixture.provider.tokenLedger()).toMatchObject([{ presented: 0, spent: 0 }]);

    atProvider.verify = verify;
    fixture.advance(60_000);
    expect((await fixture.agent.fetch('/api/a')).status).toBe(200);
  });

  it('with an unknown outcome after a nonce is repeated once, as any other (standards: G15, H3)', async () => {
    const fixture = await signedIn({ provider: { rotate: 'grace', graceMs: 60_000 } });
    const { provider, atProvider } = fixture;
    atProvider.nonce = 'nonce-1';
    // The first call is refused for its nonce. The second one is processed, and its response is lost.
    atProvider.afterProof = () => {
      atProvider.afterProof = undefined;
      provider.faults.dropAfterProcessing('token', 1);
    };
    fixture.advance(HOUR_MS / 12);
    expect((await fixture.agent.fetch('/api/a')).status).toBe(200);
    expect(refreshes(fixture)).toBe(3);
    expect(provider.tokenLedger()[0]).toMatchObject({ spent: 2 });
  });

  it('has one deadline for both of its calls, within its spend mark', async () => {
    const fixture = await signedIn({ config: { refresh: { timeout: '1s', retries: 0 } } });
    const { provider, atProvider, gateway } = fixture;
    atProvider.nonce = 'nonce-1';
    provider.faults.delayMs('token', 700);
    fixture.advance(HOUR_MS / 12);
    expect((await fixture.agent.fetch('/api/a')).status).toBe(503);
    // The refresh itself ends then: with a deadline for each call, the second one would bring a token.
    const metrics = async () => (await fetch(`${gateway.adminUrl}/metrics`)).text();
    await expect.poll(metrics, { timeout: 20_000 }).toContain('coatcheck_refresh_total{outcome="kept"} 1');
  });

  it('that brings a bearer token keeps the new refresh token and uses no bearer token (standards: H2, G2)', async () => {
    const fixture = await signedIn();
    const { provider, agent, upstream, gateway } = fixture;
    provider.patchTokenResponse = (json) => ({ ...json, token_type: 'Bearer' });
    fixture.advance(HOUR_MS / 12);
    expect((await agent.fetch('/api/a')).status).toBe(502);
    expect(upstream.requests).toEqual([]);
    expect(gateway.logs()).toContain('no bound access token for a session with DPoP');

    provider.patchTokenResponse = undefined;
    fixture.advance(60_000);
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(provider.tokenLedger().map(({ spent }) => spent)).toEqual([1, 1, 0]);
  });

  it('of a session from before provider.dpop stays one for bearer tokens', async () => {
    const fixture = await openDpopFixture({ config: { provider: { dpop: false } } });
    const { provider, agent, atProvider, gateway, upstream, protect } = fixture;
    provider.proofs = undefined;
    await agent.signIn('/');
    await gateway.reload({ provider: { dpop: true } });
    protect();
    upstream.respond(
      (_request, response, record) => void response.end(record.bearer === undefined ? '' : 'bearer'),
    );
    fixture.advance(HOUR_MS / 12);
    expect((await agent.fetch('/api/a')).text()).toBe('bearer');
    expect(atProvider.thumbprints).toEqual([]);
  });
});
