import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { login } from '../../testkit/gateway/login-steps.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';

/*
 * Open redirects of similar gateways: each advisory with its input. Wherever a browser may be
 * redirected after a login or a logout, it stays on this origin.
 */

let testGateway: TestGateway;

beforeAll(async () => {
  testGateway = await openTestGateway();
});

afterAll(() => testGateway.close());

/** Expects that a `Location` is a path on this origin, even for the most lenient browser. */
function expectHere(location: string | undefined): void {
  expect(location).toMatch(/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/);
  expect(new URL(location ?? '', testGateway.gateway.url).origin).toBe(testGateway.gateway.url);
  // As read by a browser that drops white space and treats "\" as "/".
  const lenient = decodeURIComponent((location ?? '').replace(/%(?![0-9a-f]{2})/gi, '%25'));
  expect(lenient.replace(/[\t\r\n\v\f ]/g, '').replaceAll('\\', '/')).not.toMatch(/^\/\//);
}

/** The final location of a login with this query, which is sent unchanged. */
async function endOfLogin(query: string): Promise<string | undefined> {
  const agent = testGateway.browser();
  const callback = await login(agent, `?${query}`);
  expect(callback.status).toBe(303);
  expect(callback.body).toHaveLength(0);
  return callback.header('location');
}

/** A target in a query: encoded once, and encoded twice. */
const spellings = (target: string) => [
  encodeURIComponent(target),
  encodeURIComponent(encodeURIComponent(target)),
];

const advisories: [string, string, string[]][] = [
  [
    'CVE-2022-24794 (GHSA-7p99-3798-f85c)',
    'express-openid-connect',
    ['//google.com', '//google.com/..', 'http://app.example.test//google.com'],
  ],
  [
    'CVE-2021-43812 (GHSA-2mqv-4j3r-vjvp)',
    'nextjs-auth0',
    ['//evil.example', 'https://evil.example/x', '\\\\evil.example'],
  ],
  ['CVE-2020-5233 (GHSA-qqxw-m5fj-f7gv)', 'oauth2-proxy', ['/\\evil.example', '//evil.example']],
  [
    'CVE-2020-11053 (GHSA-j7px-6hwj-hpjg)',
    'oauth2-proxy',
    ['\t', '\n', '\r', '\v', ' '].flatMap((space) => [`/${space}/evil.example`, `/${space}\\evil.example`]),
  ],
  [
    'CVE-2020-4037 (GHSA-5m6c-jp6f-2vcv)',
    'oauth2-proxy',
    ['/\\/evil.example', '/\t\\evil.example', '/..//evil.example', '/./\\evil.example'],
  ],
  [
    'CVE-2017-1000070 (GHSA-jm34-xm8m-w958)',
    'oauth2_proxy',
    ['//evil.example/%2f..', 'http://evil.example', '///evil.example'],
  ],
  ['CVE-2026-83589', 'OpenShift oauth-proxy', ['/\\evil.example', '/\tevil.example', '/\t/evil.example']],
  ['CVE-2019-20479', 'mod_auth_openidc', ['/\\evil.example', '/\\/evil.example']],
  [
    'CVE-2021-32786',
    'mod_auth_openidc',
    ['https:\\\\evil.example', '/\\\\evil.example', 'http:/\\evil.example', 'https:evil.example'],
  ],
  ['CVE-2022-23527 (GHSA-q6f2-285m-gr53)', 'mod_auth_openidc', ['/\t/evil.example', '/\t\\evil.example']],
  ['CVE-2026-82464', 'pac4j', ['\\evil.example', '/\\evil.example', '\\/evil.example', '\\\\evil.example']],
  [
    'CVE-2024-29041 (GHSA-rv95-896h-c2vc)',
    'express',
    [
      'http://google.com\\@app.example.test',
      '/\\@evil.example',
      'https://app.example.test\u3000.evil.example',
      '//app.example.test:80@evil.example',
    ],
  ],
];

describe.each(advisories)('%s, %s', (_advisory, _product, targets) => {
  it('a login redirects to this origin for any returnTo (standards: B1)', async () => {
    for (const spelling of targets.flatMap(spellings)) expectHere(await endOfLogin(`returnTo=${spelling}`));
  });

  it('a logout goes to the provider and returns to this origin for any redirect parameter (standards: B1, D5)', async () => {
    for (const target of targets) {
      const agent = testGateway.browser();
      await agent.signIn();
      const names = ['returnTo', 'post_logout_redirect_uri', 'logout_uri', 'redirect', 'rd', 'url'];
      const form = Object.fromEntries(names.map((name) => [name, target]));
      const { chain } = await agent.navigate(`/auth/logout?${new URLSearchParams(form)}`, {
        from: 'page',
        form,
      });
      const [logout, atProvider, home] = chain.map(({ url }) => new URL(url));
      expect(logout?.origin).toBe(testGateway.gateway.url);
      expect(atProvider?.origin).toBe(testGateway.provider.issuer);
      expect(atProvider?.searchParams.get('post_logout_redirect_uri')).toBe(`${testGateway.gateway.url}/`);
      expect(home?.href).toBe(`${testGateway.gateway.url}/`);
    }
  });
});

describe('CVE-2022-24794 (GHSA-7p99-3798-f85c), express-openid-connect', () => {
  it.each(['//evil.example', '//evil.example/%2f..', 'http://evil.example/', '/\\evil.example'])(
    'a request for %s gets a 400 without a redirect',
    async (target) => {
      const head = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${testGateway.gateway.port}\r\nConnection: close\r\n\r\n`;
      const response = await rawRequest(testGateway.gateway.port, head);
      expect(response.status).toBe(400);
      expect(response.raw.toString('latin1')).not.toMatch(/^location:/im);
      expect(response.body.toString()).not.toContain('evil.example');
    },
  );
});

describe('CVE-2021-39191 (GHSA-2pgf-8h6h-gqg2), mod_auth_openidc', () => {
  it.each(['https://evil.example/', '//evil.example', '/\\evil.example', 'http://127.0.0.1@evil.example/'])(
    'a third-party initiated login ends at / instead of its target_link_uri %s (standards: C22)',
    async (target) => {
      const query = new URLSearchParams({ iss: testGateway.provider.issuer, target_link_uri: target });
      expect(await endOfLogin(`${query}`)).toBe('/');
    },
  );
});

describe('CVE-2024-43796 (GHSA-qw6h-vgh9-j6wx), express', () => {
  it.each(['/"><script>alert(1)</script>', "/x?'onmouseover='alert(1)", '/x#<img src=x>'])(
    'a login redirect to %s contains no markup characters',
    async (target) => {
      const location = await endOfLogin(`returnTo=${encodeURIComponent(target)}`);
      expectHere(location);
      expect(location).not.toMatch(/[<>"]/);
    },
  );
});

describe('GO-2022-0783, Pomerium', () => {
  it('no redirect to any origin carries a token', async () => {
    const agent = testGateway.browser();
    await agent.signIn('/inbox');
    await agent.navigate('/auth/logout', { from: 'page', form: {} });
    const tokens = testGateway.provider.secrets([
      'access_token',
      'refresh_token',
      'code_verifier',
      'client_secret',
    ]);
    const locations = agent.received().match(/^location: .*$/gim) ?? [];
    expect(locations.length).toBeGreaterThanOrEqual(5);
    expect(tokens.filter((token) => locations.some((location) => location.includes(token)))).toEqual([]);
  });
});
