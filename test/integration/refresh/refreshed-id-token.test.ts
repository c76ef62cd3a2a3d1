import { beforeEach, describe, expect, it } from 'vitest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The lifetime of the access tokens, in milliseconds: the sessions refresh them more often than the JWKS may be fetched. */
const LIFE = 10_000;
const WARNING =
  /"level":"warn"[^\n]*cannot verify a refreshed ID token; using the new tokens, keeping the claims/g;

let testGateway: TestGateway;
const warnings = () => testGateway.gateway.logs().match(WARNING) ?? [];

beforeEach(async () => {
  testGateway = await openTestGatewayForTest();
  testGateway.provider.accessTokenLifetime = LIFE / 1000;
});

/** Lets every access token expire, and expects that each session gets another one. */
async function expectRefreshed(agents: readonly UserAgent[]): Promise<void> {
  testGateway.advance(LIFE);
  for (const agent of agents) expect((await agent.fetch('/api/one')).status).toBe(200);
}

describe('a refreshed ID token without a claim that identifies the user', () => {
  it.each<[string, Record<string, unknown>]>([
    ['iss', { iss: undefined }],
    ['sub', { sub: undefined }],
    ['aud', { aud: undefined }],
    ['aud (an empty list)', { aud: [] }],
    ['iss, sub and aud', { iss: undefined, sub: undefined, aud: undefined }],
  ])('keeps the session and its claims when it has no %s, with one warning', async (_claim, change) => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    const { subject, claims } = Object((await agent.fetch('/auth/session')).json());
    provider.patchIdToken = (given, grant) =>
      grant === 'refresh_token' ? { ...given, name: 'Mallory', ...change } : given;
    for (let round = 0; round < 3; round += 1) await expectRefreshed([agent]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject,
      claims,
    });
    expect(provider.tokenLedger().map(({ spent }) => spent)).toEqual([1, 1, 1, 0]);
    expect(warnings()).toHaveLength(1);
  });

  it('still ends the session when another claim names another user', async () => {
    const { agent, provider } = testGateway;
    await agent.signIn();
    provider.patchIdToken = ({ iss: _iss, ...given }) => ({ ...given, sub: 'mallory' });
    testGateway.advance(LIFE);
    expect((await agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  });
});

describe('a JWKS that lacks the newest key', () => {
  it('causes one warning with the reason, however many sessions refresh their tokens', async () => {
    const { provider } = testGateway;
    const agents = Array.from({ length: 6 }, () => testGateway.browser());
    for (const [at, agent] of agents.entries()) await agent.signIn('/', { loginHint: `user-${at}` });
    const published = await (await fetch(String(provider.metadata['jwks_uri']))).json();
    provider.faults.jwks = { status: 200, body: published as Record<string, unknown> };
    await provider.swapKeys();
    for (let round = 0; round < 12; round += 1) await expectRefreshed(agents);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toContain('no applicable key found in the JSON Web Key Set');

    // Once the keys are there, the state is over: the next one has a warning of its own.
    delete provider.faults.jwks;
    testGateway.advance(60_000);
    await expectRefreshed(agents);
    testGateway.advance(60_000);
    await expectRefreshed(agents);
    provider.faults.jwks = { status: 200, body: published as Record<string, unknown> };
    await provider.swapKeys();
    for (let round = 0; round < 2; round += 1) await expectRefreshed(agents);
    expect(warnings()).toHaveLength(2);
  });

  it('causes one warning with the reason of the failed fetch while the JWKS cannot be fetched', async () => {
    const { provider } = testGateway;
    const agents = Array.from({ length: 6 }, () => testGateway.browser());
    for (const [at, agent] of agents.entries()) await agent.signIn('/', { loginHint: `user-${at}` });
    provider.faults.jwks = { status: 503 };
    await provider.swapKeys();
    for (let round = 0; round < 12; round += 1) await expectRefreshed(agents);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toContain('Expected 200 OK from the JSON Web Key Set HTTP response');
  });
});
