import { glob, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isLong } from '../../../testkit/seeded-random.ts';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { PATIENCE, type Fixture, openFixture } from './fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

/** Signs in, calls, refreshes, calls and signs out. */
async function spendADay(): Promise<void> {
  await fixture.expectLogin();
  fixture.advance(301_000);
  expect((await fixture.agent.fetch('/api/two?page=2')).status).toBe(200);
  await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
  await vi.waitFor(() => expect(requestsTo('revoke')).toHaveLength(1), PATIENCE);
}

function requestsTo(...endpoints: string[]) {
  return fixture.provider.requests.filter(({ endpoint }) => endpoints.includes(endpoint));
}

describe('the requests to the provider from sign-in to sign-out', () => {
  it('authenticate the client each time and by one method (standards: A1, B14)', async () => {
    await spendADay();
    const proven = requestsTo('token', 'revoke');
    expect(proven.map(({ endpoint }) => endpoint)).toEqual(['token', 'token', 'revoke']);
    for (const { authorization, form, status } of proven) {
      expect(authorization).toMatch(/^Basic /);
      expect(form).not.toHaveProperty('client_secret');
      expect(status).toBe(200);
    }
  });

  it('use only codes and refresh tokens as grants and return no token through the front channel (standards: A2, B19)', async () => {
    await spendADay();
    expect(requestsTo('token').map(({ form }) => form?.['grant_type'])).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
    expect(requestsTo('authorize').map(({ query }) => query['response_type'])).toEqual(['code']);
  });

  it('never use the password grant, which appears nowhere in the source (standards: B19)', async () => {
    const sources: string[] = [];
    for await (const path of glob('src/**/*.ts')) sources.push(await readFile(path, 'utf8'));
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.join('\n')).not.toMatch(/grant_type['"]?\s*[,:=]\s*['"]password|grant_type=password/);
  });

  it('carry no token, secret or verifier in a URL, and neither do the requests to the API (standards: B12)', async () => {
    await spendADay();
    const secrets = fixture.provider.secrets([
      'access_token',
      'refresh_token',
      'code_verifier',
      'client_secret',
    ]);
    const addresses = [
      ...fixture.provider.requests.map(({ query }) => JSON.stringify(query)),
      ...fixture.upstream.requests.map(({ target }) => target),
    ].join('\n');
    expect(addresses).toContain('page=2');
    expect(secrets.filter((secret) => addresses.includes(secret))).toEqual([]);
  });
});

describe('the parameters of a login (standards: B4)', () => {
  it('are unique per login and have at least 128 bits', async () => {
    const count = isLong ? 1_000 : 200;
    const seen = new Set<string>();
    for (let round = 0; round < count / 20; round += 1) {
      const begun = await Promise.all(Array.from({ length: 20 }, () => beginLogin(fixture.browser())));
      for (const { authorizationUrl } of begun) {
        for (const name of ['state', 'nonce', 'code_challenge']) {
          const value = authorizationUrl.searchParams.get(name) ?? '';
          expect(value).toMatch(/^[\w-]{43}$/);
          seen.add(value);
        }
      }
    }
    expect(seen.size).toBe(3 * count);
  });

  it('are unreadable in the login cookie and valid only in the same browser', async () => {
    const begun = await beginLogin(fixture.agent);
    const cookie = fixture.agent.cookies.all().map(({ name, value }) => `${name}=${value}`);
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(cookie.join()).not.toContain(begun.authorizationUrl.searchParams.get(name));
    const callback = new URL(
      (await fixture.agent.get(begun.authorizationUrl.href)).header('location') ?? 'about:blank',
    );
    const elsewhere = await fixture.browser().get(callback.href);
    expect(elsewhere.json()).toMatchObject({ code: 'login_failed' });
    expect(requestsTo('token')).toEqual([]);
  });
});

describe('a gateway with an insecure configuration', () => {
  const config = {
    baseUrl: 'https://app.example.test',
    provider: { type: 'oidc', issuer: 'https://login.example.test', clientId: 'web', clientSecret: 'x' },
    session: { store: 'memory:', secrets: ['a-session-secret-Wd8kPz4RmX7vNq2TbL6h'] },
    routes: [{ path: '/api', upstream: 'https://api.example.test' }],
  };

  it('does not start without client credentials (standards: A1)', () => {
    expect(() => parseConfig(config)).not.toThrow();
    const { clientSecret: _secret, ...provider } = config.provider;
    expect(() => parseConfig({ ...config, provider })).toThrow(/provider\.clientSecret/);
  });

  it.each([
    ['the browser', { baseUrl: 'http://app.example.test' }],
    ['the provider', { provider: { ...config.provider, issuer: 'http://login.example.test' } }],
    ['an API', { routes: [{ path: '/api', upstream: 'http://api.example.test' }] }],
  ])('does not start when %s would use plain HTTP over a network (standards: B16, B20)', (_who, change) => {
    expect(() => parseConfig({ ...config, ...change })).toThrow(/expected https/);
  });
});
