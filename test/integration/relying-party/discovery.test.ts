import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream.ts';
import { PATIENCE, type Stage, type StageOptions, openStage } from './stage.ts';

let stage: Stage;

async function open(options?: StageOptions): Promise<Stage> {
  return (stage = await openStage(options));
}

afterEach(() => stage.close());

/** Expects that nobody is sent to the provider, and that the log tells why. */
async function expectNoLogin(why: RegExp): Promise<void> {
  const answer = await stage.agent.get('/auth/login');
  expect(answer.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(Number(answer.header('retry-after'))).toBeGreaterThan(0);
  expect(answer.setCookies).toEqual([]);
  expect(stage.gateway.logs().replaceAll('\\"', '"')).toMatch(why);
}

/** Starts a server that nobody has said anything about. */
async function openElsewhere(): Promise<Upstream> {
  const elsewhere = await startUpstream();
  onTestFinished(() => elsewhere.close());
  return elsewhere;
}

describe('what discovery finds', () => {
  it.each<[string, (issuer: string) => string]>([
    ['a slash more', (issuer) => `${issuer}/`],
    ['another scheme', (issuer) => issuer.replace('http:', 'https:')],
    ['capitals', (issuer) => issuer.replace('http:', 'HTTP:')],
    ['a path', (issuer) => `${issuer}/realm`],
    ['another port', (issuer) => issuer.replace(/\d+$/, '1')],
  ])('is refused when its issuer has %s (standards: C1)', async (_what, change) => {
    const provider = await startFakeProvider();
    await open({ provider, metadata: { issuer: change(provider.issuer) } });
    await expectNoLogin(/calls itself|does not match/);
    expect(provider.requests.map(({ endpoint }) => endpoint)).not.toContain('authorize');
  });

  it.each([
    ['a token_endpoint in plain text', { token_endpoint: 'http://login.example.com/token' }, /is not https/],
    ['a jwks_uri in plain text', { jwks_uri: 'http://login.example.com/jwks' }, /"jwks_uri" is not https/],
    ['no jwks_uri', { jwks_uri: undefined }, /no usable "jwks_uri"/],
    ['a script for a login page', { authorization_endpoint: 'javascript:alert(1)' }, /no usable/],
    ['a document for a logout', { end_session_endpoint: 'data:text/html,x' }, /no usable/],
    ['PKCE by "plain" only', { code_challenge_methods_supported: ['plain'] }, /S256/],
    ['no asymmetric algorithm', { id_token_signing_alg_values_supported: ['HS256', 'none'] }, /asymmetric/],
  ])(
    'is refused when it has %s, and the log says why (standards: B3, B16, C8)',
    async (_what, metadata, why) => {
      await open({ metadata });
      await expectNoLogin(why);
    },
  );

  it.each<[string, { status: number; headers?: Record<string, string>; body?: string }]>([
    ['a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['a list', { status: 200, headers: { 'content-type': 'application/json' }, body: '[]' }],
    ['nothing', { status: 204 }],
    ['refused', { status: 404 }],
    [
      'endless',
      {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: `{"issuer":"${'x'.repeat(1_100_000)}"}`,
      },
    ],
  ])('is looked for again when it is %s', async (_what, fault) => {
    const provider = await startFakeProvider();
    provider.faults.discovery = fault;
    await open({ provider });
    await expectNoLogin(/provider not found/);
    provider.faults.clear();
    await stage.expectLogin();
  });

  it('is never looked for where a redirect leads (standards: C1)', async () => {
    const elsewhere = await openElsewhere();
    const provider = await startFakeProvider();
    provider.faults.discovery = { status: 302, headers: { location: `${elsewhere.url}/metadata` } };
    await open({ provider });
    await expectNoLogin(/provider not found/);
    expect(elsewhere.requests).toEqual([]);
  });

  it.each(['jwks', 'token'] as const)(
    'is where a login goes: no redirect of the %s endpoint is followed',
    async (endpoint) => {
      await open();
      const elsewhere = await openElsewhere();
      stage.provider.faults[endpoint] = { status: 307, headers: { location: `${elsewhere.url}/taken` } };
      expect((await stage.login()).status).toBeGreaterThanOrEqual(400);
      expect(stage.provider.requests.map((request) => request.endpoint)).toContain(endpoint);
      expect(elsewhere.requests).toEqual([]);
    },
  );

  it('is where a refresh token is given back: no redirect of that endpoint is followed', async () => {
    await open();
    await stage.expectLogin();
    const elsewhere = await openElsewhere();
    stage.provider.faults.revoke = { status: 307, headers: { location: `${elsewhere.url}/taken` } };
    await stage.agent.navigate('/auth/logout', { from: 'page', form: {} });
    expect(stage.provider.requests.map(({ endpoint }) => endpoint)).toContain('revoke');
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('a provider that is away (standards: C3)', () => {
  it('at the start: the gateway stands, is found later by itself, and then signs people in', async () => {
    const provider = await startFakeProvider();
    await provider.stop();
    await open({ provider });
    expect((await stage.agent.get('/auth/session')).status).toBe(200);
    await provider.start();
    await vi.waitFor(() => expect(stage.gateway.logs()).toContain('provider found'), PATIENCE);
    await stage.expectLogin();
  });

  it('later: sessions go on with the token they have, though keys and metadata cannot be had', async () => {
    await open();
    await stage.expectLogin();
    await stage.provider.stop();
    stage.advance(200_000);
    expect((await stage.agent.fetch('/api/two')).status).toBe(200);
    expect((await stage.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    await stage.provider.start();
  });

  it('for its keys alone: logins go on by those that are known', async () => {
    await open();
    await stage.expectLogin();
    stage.provider.faults.jwks = { status: 503 };
    await stage.expectLogin();
    // Old enough to be read again, and better than none.
    stage.advance(700_000);
    stage.provider.clockOffsetMs = 700_000;
    expect((await stage.login()).status).toBe(303);
  });
});
