import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { UPGRADE } from '../integration/proxy/websockets/handshake.ts';
import { type Fixture, namesOf, openFixture } from '../integration/proxy/fixture.ts';
import { valuesOf } from '../../testkit/network/header-list.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import { openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Upstream, startUpstream } from '../../testkit/upstream/upstream.ts';

let fixture: Fixture;
/** The API of another route, which requests to the first one must not reach. */
let admin: Upstream;

beforeAll(async () => {
  admin = await startUpstream();
  fixture = await openFixture({
    routes: [
      { path: '/api/public', auth: 'none' },
      { path: '/api/public/private' },
      { path: '/stripped', stripPrefix: true },
      { path: '/admin', upstream: admin.url },
      { path: '/socket', websocket: true, stripPrefix: true },
    ],
  });
});

beforeEach(() => {
  fixture.reset();
  fixture.upstream.upgrades.length = 0;
  admin.requests.length = 0;
});

afterAll(async () => {
  await fixture.close();
  await admin.close();
});

/** The status of the response to a request without a session. */
async function anonymously(target: string, fields: readonly string[] = []): Promise<number> {
  const head = [`GET ${target} HTTP/1.1`, `Host: ${fixture.host}`, 'Sec-Fetch-Site: same-origin', ...fields];
  return (await rawRequest(fixture.gateway.port, [...head, '', ''].join('\r\n'))).status;
}

describe('a route that needs a session', () => {
  it('rejects a request whose forwarding header names a public path (CVE-2026-40575 / GHSA-7x63-xv5r-3p2x; standards: F14)', async () => {
    expect(await anonymously('/api/public/one')).toBe(200);
    fixture.reset();
    for (const name of [
      'X-Forwarded-Uri',
      'X-Original-URL',
      'X-Original-Uri',
      'X-Rewrite-URL',
      'X-Forwarded-Path',
    ]) {
      expect(await anonymously('/api/secret', [`${name}: /api/public/one`])).toBe(401);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('rejects a request with the User-Agent of a health check (CVE-2026-34457 / GHSA-5hvv-m4w4-gf6v; standards: F14)', async () => {
    for (const agent of ['GoogleHC/1.0', 'kube-probe/1.30', 'ELB-HealthChecker/2.0']) {
      expect(await anonymously('/api/secret', [`User-Agent: ${agent}`])).toBe(401);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('rejects a request whose query contains a public path (CVE-2025-54576 / GHSA-7rh7-c77v-6434; standards: F14)', async () => {
    for (const query of [
      '?/api/public',
      '?x=/api/public/one',
      '?x=/../api/public',
      '?%2fapi%2fpublic',
      '?#/api/public',
    ]) {
      expect([400, 401]).toContain(await anonymously(`/api/secret${query}`));
    }
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    '/api/public/../secret',
    '/api/public/./../secret',
    '/api/public/%2e%2e/secret',
    '/api/public/.%2e/secret',
    '/api/public/..%2fsecret',
    '/api/public%2f..%2fsecret',
    '/api/public/%252e%252e/secret',
    '/api/public/..;/secret',
    '/api/public/..\\secret',
    '/api/public%5c..%5csecret',
    '/api/public//../secret',
    '/api/secret/../public',
    '/api/secret;/public',
    '/api/secret%3b/public',
    '//api/public/../secret',
    '/API/public/one',
    '/api/publicity',
    '/api/public.',
    '/api/public%20',
    '/api/public%00',
    '/api/public/%E2%80%A5/secret',
    '/api/public/%EF%BC%8E%EF%BC%8E/secret',
    '/api/public/.%C2%AD./secret',
    '/api/public%EF%BC%BC..%EF%BC%BCsecret',
    '/api/publ%C2%ADic',
  ])(
    'rejects a path that is public for one reader only: %s (oauth2-proxy, GHSA-63jm-59jj-478j; standards: F13, F14)',
    async (target) => {
      expect([400, 401, 404]).toContain(await anonymously(target));
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it.each([
    '/api/secret#/public',
    '/api/secret%23/api/public',
    '/api/secret%23/../public/one',
    '/api/public%23/../secret',
    '/api%23/public',
    '/api/secret%2523/public',
    '#/api/public',
    '/api/public/private#/one',
    '/api/public/private%23/one',
    '/api/public/private%2523one',
    '/api/public/private%3Fone',
    '/api/public/Private.%23/one',
    '/api/public/private%EF%BC%83one',
    '/api/public/private%EF%BC%9Fone',
    '/api/public/..%23/one',
    '/api/public/..%3Fone',
    '/api/public/..%2523one',
    '/api/public/..;%23one',
    '/api/public/..%EF%BC%83one',
  ])(
    'rejects a path that is public only with its fragment: %s (CVE-2026-41059 / GHSA-pxq7-h93f-9jrg, oauth2-proxy; standards: F14)',
    async (target) => {
      expect([400, 401, 404]).toContain(await anonymously(target));
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it('rejects a request that claims the address of a trusted client (oauth2-proxy, GHSA-wr5q-7wxw-x568; standards: F8, F14)', async () => {
    const claims = [
      '127.0.0.1',
      '10.0.0.1',
      '::1',
      'unknown',
      '',
      '127.0.0.1, 127.0.0.1',
      '127.0.0.1:80',
      '[::1]:80',
    ];
    const names = ['X-Forwarded-For', 'X-Real-IP', 'X-ProxyUser-IP', 'CF-Connecting-IP', 'True-Client-IP'];
    for (const name of names)
      for (const claim of claims) expect(await anonymously('/api/secret', [`${name}: ${claim}`])).toBe(401);
    expect(await anonymously('/api/secret', ['Forwarded: for=127.0.0.1', 'Client-IP: 127.0.0.1'])).toBe(401);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('rejects a request that brings its own access token (CVE-2022-29226; standards: F9)', async () => {
    const token = fixture.provider.families[0]?.accessTokens[0]?.token ?? '';
    expect(fixture.provider.isAccessTokenActive(token)).toBe(true);
    expect(await anonymously('/api/secret', [`Authorization: Bearer ${token}`])).toBe(401);
    expect(fixture.upstream.requests).toEqual([]);
    expect(await anonymously('/optional/one', [`Authorization: Bearer ${token}`])).toBe(200);
    expect(namesOf(fixture.received().headers)).not.toContain('authorization');
  });
});

describe('a forwarding or identity header from the client', () => {
  it('is ignored when trustProxy names no proxy (CVE-2026-76835; standards: F8)', async () => {
    const forged = ['X-Forwarded-For: 6.6.6.6', 'X-Real-IP: 6.6.6.6', 'Forwarded: for=6.6.6.6'];
    expect(fixture.gateway.config.trustProxy).toEqual([]);
    await fixture.send('GET /api/one HTTP/1.1', forged);
    expect(valuesOf(fixture.received().headers, 'x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fixture.gateway.logs()).not.toContain('6.6.6.6');
  });

  it('gives nobody another rate limit (oauth2-proxy, GHSA-wr5q-7wxw-x568; standards: F8)', async () => {
    const testGateway = await openTestGateway({ config: { rateLimit: { login: 3 } } });
    onTestFinished(() => testGateway.close());
    testGateway.stopClock();
    const statuses: number[] = [];
    for (let at = 1; at <= 4; at += 1) {
      const headers = { 'X-Forwarded-For': `192.0.2.${at}`, 'X-Real-IP': `192.0.2.${at}` };
      statuses.push((await testGateway.agent.get('/auth/login', { headers })).status);
    }
    expect(statuses).toEqual([302, 302, 302, 429]);
  });

  it('does not change the redirect URI of a sign-in or the attributes of its cookie (CVE-2024-21499, GHSA-vj36-3ccr-6563; standards: F8)', async () => {
    const forged = [
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-For: 6.6.6.6, 127.0.0.1',
    ];
    const login = await fixture.send('GET /auth/login HTTP/1.1', ['Sec-Fetch-Mode: navigate', ...forged]);
    const { searchParams } = new URL(login.header('location') ?? '');
    expect(searchParams.get('redirect_uri')).toBe(`${fixture.gateway.url}/auth/callback`);
    expect(login.header('set-cookie')).not.toContain('Secure');
    expect(login.headers.flat().join()).not.toContain('evil.example');
  });

  it('does not add a prefix to the upstream path (CVE-2026-35051 / GHSA-6384-m2mw-rf54; standards: F6)', async () => {
    await fixture.send('GET /stripped/one HTTP/1.1', [
      'X-Forwarded-Prefix: /admin',
      'X-Forwarded-Path: /admin',
    ]);
    const { target, headers } = fixture.received();
    expect(target).toBe('/one');
    expect(
      namesOf(headers)
        .filter((name) => name.startsWith('x-forwarded-'))
        .toSorted(),
    ).toEqual(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);
  });

  it.each([
    'X_Forwarded_User',
    'X_Forwarded_For',
    'X.Forwarded.User',
    'X.Forwarded.For',
    'x-forwarded_user',
    'X-Forwarded.User',
  ])(
    'is dropped in alternative spellings: %s (CVE-2025-64484 / GHSA-vjrc-mh2v-45x6, CVE-2026-88011 / GHSA-rf44-j88r-hh8c; standards: F7)',
    async (name) => {
      await fixture.send('GET /api/one HTTP/1.1', [`${name}: root`]);
      expect(JSON.stringify(fixture.received().headers)).not.toContain('root');
    },
  );

  it('is dropped on routes without a required session as well (mod_auth_openidc 2.1.5; standards: F6)', async () => {
    for (const path of ['/public/one', '/optional/one']) {
      const claims = [
        'X-Remote-User: root',
        'X-User-Id: root',
        'X-Forwarded-User: root',
        'X-Auth-Request-User: root',
      ];
      expect(await anonymously(path, [...claims, 'Remote-User: root', 'OIDC_CLAIM_sub: root'])).toBe(200);
      expect(JSON.stringify(fixture.received().headers)).not.toContain('root');
    }
  });

  it('cannot remove the headers that the gateway sets by listing them in Connection (CVE-2024-45410 / GHSA-62c8-mh53-4cqv, CVE-2021-32813, CVE-2025-48865; standards: F2)', async () => {
    const own = [
      'authorization',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
      'traceparent',
    ];
    await fixture.send('GET /api/one HTTP/1.1', [`Connection: close, ${own.join(', ')}`]);
    const { headers } = fixture.received();
    for (const name of own) expect(valuesOf(headers, name)).toHaveLength(1);
  });
});

describe('the path of a request to one route', () => {
  const expectNothingElsewhere = () => {
    expect(admin.requests).toEqual([]);
    expect(fixture.upstream.requests.filter(({ target }) => !target.startsWith('/api/'))).toEqual([]);
  };

  it.each([
    '/api/../admin/users',
    '/api/public/../../admin/users',
    '/api/./../admin',
    '//admin/../api/one',
    '/api/public/..',
  ])(
    'cannot reach another route with dot segments: %s (CVE-2026-33494 / GHSA-p224-6x5r-fjpm, CVE-2023-33189 / GHSA-pvrc-wvj2-f59p, CVE-2021-39206; standards: F13)',
    async (path) => {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(400);
      expectNothingElsewhere();
    },
  );

  it.each([
    ['/stripped/../admin', 400],
    ['/stripped/./admin', 400],
    ['/stripped%2f..%2fadmin', 400],
    ['/stripped/;/../admin', 400],
    ['/stripped..%2fadmin', 400],
    ['/stripped../admin', 400],
    ['/stripped/..%23/admin', 400],
    ['/stripped/..%3Fadmin', 400],
    ['/stripped//admin', 200],
  ])(
    'cannot reach another route after prefix stripping: %s (CVE-2026-48020 / GHSA-xf64-8mw2-4gr2; standards: F13)',
    async (path, status) => {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(status);
      // The rest is a path of the same API.
      expect(fixture.upstream.requests.map(({ target }) => target)).toEqual(status === 200 ? ['/admin'] : []);
      expect(admin.requests).toEqual([]);
    },
  );

  it.each([
    '/api/%2E%2E/admin',
    '/api/%2e%2e%2fadmin',
    '/api/.%2E/admin',
    '/api/%252E%252E/admin',
    '/stripped/%2E%2E/admin',
  ])(
    'cannot leave its prefix with encoded dots: %s (CVE-2021-21321 / GHSA-qmw8-3v4g-gwj4, CVE-2021-21322 / GHSA-c4qr-gmr9-v23w, GHSA-2q7r-29rg-6m5h; standards: F13)',
    async (path) => {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(400);
      expectNothingElsewhere();
    },
  );

  it.each(['/%61pi/one', '/%73tripped/one', '/str%69pped/%61dmin', '/%61dmin/users', '/ap%69'])(
    'is rejected when percent-encoding hides a route prefix: %s (CVE-2026-16117; standards: F13)',
    async (path) => {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(400);
      expectNothingElsewhere();
    },
  );

  it.each([
    '/api\\..\\admin',
    '/api/..\\admin',
    '/api/%5c..%5cadmin',
    '/api/..%5cadmin',
    '\\api\\one',
    '/\\admin',
  ])('is rejected when it contains a backslash: %s (CVE-2026-85124; standards: F13)', async (path) => {
    expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(400);
    expectNothingElsewhere();
  });

  it.each(['/stripped/a%2fb', '/stripped/a%23b', '/stripped/a%3fb=c', '/stripped/a%3Fb%23c%2Fd'])(
    'keeps its percent-encoding when the prefix is stripped: %s (CVE-2026-120213; standards: F13)',
    async (path) => {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(200);
      expect(fixture.received().target).toBe(path.slice('/stripped'.length));
    },
  );

  it.each([
    '/socket/../admin',
    '/socket/%2e%2e/admin',
    '/socket/..%2fadmin',
    '/socket/..\\admin',
    '/s%6fcket/one',
    '//socket/one',
  ])(
    'is rejected on an upgrade when it could leave its route: %s (CVE-2026-15631; standards: F13, F24)',
    async (path) => {
      const response = await fixture.send(`GET ${path} HTTP/1.1`, [
        `Origin: ${fixture.gateway.url}`,
        ...UPGRADE,
      ]);
      expect(response.status).toBe(400);
      expect(fixture.upstream.upgrades).toEqual([]);
      expect(admin.upgrades).toEqual([]);
    },
  );

  it('matches only the exact host and whole path segments (CVE-2026-55602 / GHSA-64mm-vxmg-q3vj; standards: F17)', async () => {
    const { host } = fixture;
    for (const other of [`evil-${host}`, `${host}.evil.example`, `${host}0`, `x@${host}`, `${host}/api`]) {
      const request = ['GET /public/one HTTP/1.1', `Host: ${other}`, '', ''].join('\r\n');
      expect((await rawRequest(fixture.gateway.port, request)).status).toBe(421);
    }
    for (const path of ['/publicone', '/x/public/one', '/adminx', '/public.evil.example/one']) {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(404);
    }
    expect(fixture.upstream.requests).toEqual([]);
    expectNothingElsewhere();
  });
});

describe('an access token', () => {
  it.each([
    ['a line break and a field', 'token\r\nX-Evil: 1'],
    ['a request of its own', 'token\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n'],
    ['characters that are a line break without their high bits', 'token\u010d\u010aX-Evil: 1'],
    ['a NUL', 'token\0'],
  ])('with %s is never sent to an API (standards: F17)', async (_what, accessToken) => {
    const testGateway = await openTestGateway();
    onTestFinished(() => testGateway.close());
    await testGateway.agent.signIn();
    testGateway.advance(300_000);
    testGateway.provider.faults.token = {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: { access_token: accessToken, token_type: 'Bearer', expires_in: 300, refresh_token: 'next' },
    };
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(testGateway.upstream.requests).toEqual([]);
  });
});
