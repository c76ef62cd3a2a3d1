import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { PATIENCE, type Fixture, type FixtureOptions, openFixture } from './fixture.ts';

let fixture: Fixture;

async function open(options?: FixtureOptions): Promise<Fixture> {
  return (fixture = await openFixture(options));
}

afterEach(() => fixture.close());

/** Expects that no login redirects to the provider, and that the log gives the reason. */
async function expectNoLogin(why: RegExp): Promise<void> {
  const response = await fixture.agent.get('/auth/login');
  expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(Number(response.header('retry-after'))).toBeGreaterThan(0);
  expect(response.setCookies).toEqual([]);
  expect(fixture.gateway.logs().replaceAll('\\"', '"')).toMatch(why);
}

/** Starts a server that the configuration does not name. */
async function openElsewhere(): Promise<Upstream> {
  const elsewhere = await startUpstream();
  onTestFinished(() => elsewhere.close());
  return elsewhere;
}

describe('the provider metadata', () => {
  it.each<[string, (issuer: string) => string]>([
    ['an additional slash', (issuer) => `${issuer}/`],
    ['another scheme', (issuer) => issuer.replace('http:', 'https:')],
    ['upper-case letters', (issuer) => issuer.replace('http:', 'HTTP:')],
    ['a path', (issuer) => `${issuer}/realm`],
    ['another port', (issuer) => issuer.replace(/\d+$/, '1')],
  ])('is rejected when its issuer has %s (standards: C1)', async (_what, change) => {
    const provider = await startFakeProvider();
    await open({ provider, metadata: { issuer: change(provider.issuer) } });
    await expectNoLogin(/provider publishes|does not match/);
    expect(provider.requests.map(({ endpoint }) => endpoint)).not.toContain('authorize');
  });

  it.each([
    ['a token_endpoint without https', { token_endpoint: 'http://login.example.com/token' }, /is not https/],
    ['a jwks_uri without https', { jwks_uri: 'http://login.example.com/jwks' }, /"jwks_uri" is not https/],
    ['no jwks_uri', { jwks_uri: undefined }, /no usable "jwks_uri"/],
    [
      'a javascript: URL as authorization_endpoint',
      { authorization_endpoint: 'javascript:alert(1)' },
      /no usable/,
    ],
    ['a data: URL as end_session_endpoint', { end_session_endpoint: 'data:text/html,x' }, /no usable/],
    ['PKCE by "plain" only', { code_challenge_methods_supported: ['plain'] }, /S256/],
    ['no asymmetric algorithm', { id_token_signing_alg_values_supported: ['HS256', 'none'] }, /asymmetric/],
  ])(
    'is rejected when it has %s and the log gives the reason (standards: B3, B16, C8)',
    async (_what, metadata, why) => {
      await open({ metadata });
      await expectNoLogin(why);
    },
  );

  it.each<[string, { status: number; headers?: Record<string, string>; body?: string }]>([
    ['an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['a list', { status: 200, headers: { 'content-type': 'application/json' }, body: '[]' }],
    ['empty', { status: 204 }],
    ['a 404', { status: 404 }],
    [
      'too large',
      {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: `{"issuer":"${'x'.repeat(1_100_000)}"}`,
      },
    ],
  ])('is fetched again when the response is %s', async (_what, fault) => {
    const provider = await startFakeProvider();
    provider.faults.discovery = fault;
    await open({ provider });
    await expectNoLogin(/provider not ready/);
    provider.faults.clear();
    await fixture.expectLogin();
  });

  it('is never fetched from the target of a redirect (standards: C1)', async () => {
    const elsewhere = await openElsewhere();
    const provider = await startFakeProvider();
    provider.faults.discovery = { status: 302, headers: { location: `${elsewhere.url}/metadata` } };
    await open({ provider });
    await expectNoLogin(/provider not ready/);
    expect(elsewhere.requests).toEqual([]);
  });

  it.each(['jwks', 'token'] as const)(
    'determines where a login connects and a redirect of the %s endpoint is not followed',
    async (endpoint) => {
      await open();
      const elsewhere = await openElsewhere();
      fixture.provider.faults[endpoint] = { status: 307, headers: { location: `${elsewhere.url}/taken` } };
      expect((await fixture.login()).status).toBeGreaterThanOrEqual(400);
      expect(fixture.provider.requests.map((request) => request.endpoint)).toContain(endpoint);
      expect(elsewhere.requests).toEqual([]);
    },
  );

  it('determines where a token is revoked and a redirect of that endpoint is not followed', async () => {
    await open();
    await fixture.expectLogin();
    const elsewhere = await openElsewhere();
    fixture.provider.faults.revoke = { status: 307, headers: { location: `${elsewhere.url}/taken` } };
    await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
    expect(fixture.provider.requests.map(({ endpoint }) => endpoint)).toContain('revoke');
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('a provider outage (standards: C3)', () => {
  it('at startup ends automatically and users can then sign in', async () => {
    const provider = await startFakeProvider();
    await provider.stop();
    await open({ provider });
    expect((await fixture.agent.get('/auth/session')).status).toBe(200);
    await provider.start();
    await vi.waitFor(() => expect(fixture.gateway.logs()).toContain('provider ready'), PATIENCE);
    await fixture.expectLogin();
  });

  it('after sign-ins ends no session with a valid access token', async () => {
    await open();
    await fixture.expectLogin();
    await fixture.provider.stop();
    fixture.advance(200_000);
    expect((await fixture.agent.fetch('/api/two')).status).toBe(200);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    await fixture.provider.start();
  });

  it('of only the JWKS endpoint allows logins with the cached keys', async () => {
    await open();
    await fixture.expectLogin();
    fixture.provider.faults.jwks = { status: 503 };
    await fixture.expectLogin();
    // The cached keys are old enough to be fetched again, but still usable.
    fixture.advance(700_000);
    fixture.provider.clockOffsetMs = 700_000;
    expect((await fixture.login()).status).toBe(303);
  });
});
