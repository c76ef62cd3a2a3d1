import request from 'supertest';
import { describe, expect, it, vi } from 'vitest';
import { startFakeProvider } from '../../../../testkit/fake-provider/fake-provider.ts';
import type { RedisServer } from '../../../../testkit/redis/redis-server.ts';
import { errorCodeOf } from '../../../../testkit/gateway/error-code.ts';
import {
  openTestGatewayForTest,
  openTestGatewayForEachTest,
} from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../../testkit/gateway/test-gateway.ts';

const CLEARED = 'coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

/** The tokens of the revocation requests, in order. */
function revocations({ provider } = testGateway) {
  return provider.requests.filter(({ endpoint }) => endpoint === 'revoke');
}

function refreshTokens({ provider } = testGateway): string[] {
  return provider.tokenLedger().map(({ token }) => token);
}

describe('POST /auth/logout by a fetch', () => {
  it('ends the session, revokes its refresh token and clears the cookie (standards: D1, D3, D7)', async () => {
    await testGateway.agent.signIn();
    const replayed = testGateway.browser({ like: testGateway.agent });
    const response = await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    expect(response.status).toBe(200);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.setCookies).toEqual([CLEARED]);
    expect(response.header('clear-site-data')).toBe('"cache"');
    expect(testGateway.agent.cookies.all()).toEqual([]);
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);

    expect(revocations()).toMatchObject([
      {
        form: { token: refreshTokens()[0], token_type_hint: 'refresh_token' },
        authorization: expect.stringMatching(/^Basic /),
        status: 200,
      },
    ]);
    expect(testGateway.provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);

    const call = await replayed.fetch('/api/one');
    expect(call.status).toBe(401);
    expect(call.json()).toMatchObject({ code: 'session_expired', loginUrl: '/auth/login' });
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('returns the logout URL of the provider without the ID token (standards: D4)', async () => {
    await testGateway.agent.signIn();
    const logout = await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const body = logout.json() as { logoutUrl: string };
    expect(Object.keys(body)).toEqual(['logoutUrl']);
    const url = new URL(body.logoutUrl);
    expect(url.origin + url.pathname).toBe(`${testGateway.provider.issuer}/end_session`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'web',
      post_logout_redirect_uri: `${testGateway.gateway.url}/`,
    });
    for (const token of testGateway.provider.secrets(['id_token']))
      expect(logout.text()).not.toContain(token);
    const { response } = await testGateway.agent.navigate(url.href);
    expect(response.url).toBe(`${testGateway.gateway.url}/`);
  });

  it('ends the session on every replica at once (standards: D1)', async () => {
    const replica = await testGateway.replica();
    await testGateway.agent.signIn();
    const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    expect((await elsewhere.fetch('/api/one')).status).toBe(200);
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    await vi.waitFor(async () => expect((await elsewhere.fetch('/api/one')).status).toBe(401), {
      timeout: 20_000,
    });
    expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('ends the session for all tabs of the browser but not in other browsers of the same user (standards: E15)', async () => {
    await testGateway.agent.signIn();
    const tab = testGateway.browser({ like: testGateway.agent });
    const phone = testGateway.browser();
    await phone.signIn();
    await tab.fetch('/auth/logout', { method: 'POST' });
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(401);
    expect((await phone.fetch('/api/one')).status).toBe(200);
    expect(testGateway.provider.families.map(({ alive }) => alive)).toEqual([false, true]);
  });

  it('ends the session once for concurrent requests', async () => {
    await testGateway.agent.signIn();
    const tabs = Array.from({ length: 10 }, () => testGateway.browser({ like: testGateway.agent }));
    const responses = await Promise.all(tabs.map((tab) => tab.fetch('/auth/logout', { method: 'POST' })));
    expect(responses.map(({ status, setCookies }) => [status, setCookies])).toEqual(
      Array(10).fill([200, [CLEARED]]),
    );
    expect(revocations()).toHaveLength(1);
    const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('coatcheck_sessions_ended_total{reason="logout"} 1\n');
  });

  it.each([
    ['without a cookie, and clears nothing', undefined, undefined],
    ['with a cookie of no session, and clears it', 'coatcheck=nonsense', [CLEARED]],
  ])(
    'returns the start page as logout URL %s and sends no request to the provider',
    async (_what, cookie, cleared) => {
      const response = await request(testGateway.gateway.url)
        .post('/auth/logout')
        .set({ 'X-CSRF': '1', ...(cookie && { cookie }) })
        .expect(200);
      expect(response.body).toEqual({ logoutUrl: '/' });
      expect(response.headers['set-cookie']).toEqual(cleared);
      expect(response.headers['clear-site-data']).toBe(cleared && '"cache"');
      expect(revocations()).toEqual([]);
    },
  );

  it('from a form of another site behind a service worker, which sends no cookie, clears none (standards: A10, D2)', async () => {
    await testGateway.agent.signIn();
    const response = await request(testGateway.gateway.url)
      .post('/auth/logout')
      .set({
        Origin: testGateway.gateway.url,
        'Sec-Fetch-Site': 'same-origin',
        'Sec-Fetch-Mode': 'same-origin',
        'Sec-Fetch-Dest': 'empty',
      })
      .type('form')
      .send('a=1');
    expect(response.headers).not.toHaveProperty('set-cookie');
    expect(response.headers).not.toHaveProperty('clear-site-data');
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
  });
});

describe('POST /auth/logout with two different session cookies', () => {
  const send = (cookie: string, headers: Record<string, string>) =>
    request(testGateway.gateway.url)
      .post('/auth/logout')
      .set({ Origin: testGateway.gateway.url, 'Sec-Fetch-Site': 'same-origin', ...headers, cookie });

  it.each([
    ['a fetch', { 'Sec-Fetch-Mode': 'cors' }],
    ['a form', { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }],
  ])(
    'ends and clears nothing when it is %s, and reports the conflict (standards: E9)',
    async (_what, headers) => {
      const other = testGateway.browser();
      const seals = await Promise.all(
        [testGateway.agent, other].map(async (agent) => {
          await agent.signIn();
          return agent.cookies.get('coatcheck')?.value ?? '';
        }),
      );
      for (const [own, planted] of [seals, seals.toReversed(), [seals[0], 'nonsense']]) {
        const response = await send(`coatcheck=${own}; coatcheck=${planted}`, headers).expect(400);
        expect(errorCodeOf(response.text, testGateway.gateway)).toBe('bad_request');
        expect(response.text).toContain('two different');
        expect(response.headers).not.toHaveProperty('set-cookie');
        expect(response.headers).not.toHaveProperty('clear-site-data');
      }
      expect(revocations()).toEqual([]);
      for (const agent of [testGateway.agent, other])
        expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    },
  );
});

describe('POST /auth/logout by a form', () => {
  it('redirects to the end-session endpoint of the provider, which returns to the app (standards: D4, D5)', async () => {
    const other = await openTestGatewayForTest({ config: { login: { postLogoutReturnTo: '/goodbye' } } });
    other.provider.client.postLogoutRedirectUris.push(`${other.gateway.url}/goodbye`);
    await other.agent.signIn();
    const { chain, response } = await other.agent.navigate('/auth/logout', { from: 'page', form: {} });
    expect(chain.map(({ status, url }) => [status, new URL(url).pathname])).toEqual([
      [303, '/auth/logout'],
      [302, '/end_session'],
      [404, '/goodbye'],
    ]);
    expect(response.url).toBe(`${other.gateway.url}/goodbye`);
    expect(chain[0]?.body).toHaveLength(0);
    expect(chain[0]?.setCookies).toEqual([CLEARED]);
    const [asked] = other.provider.requests.filter(({ endpoint }) => endpoint === 'end_session');
    expect(asked?.query).toEqual({
      client_id: 'web',
      id_token_hint: other.provider.secrets(['id_token'])[0],
      post_logout_redirect_uri: `${other.gateway.url}/goodbye`,
    });
  });

  it('sends the newest ID token as the id_token_hint', async () => {
    await testGateway.agent.signIn();
    testGateway.advance(300_000);
    await testGateway.agent.fetch('/api/one');
    testGateway.advance(24 * 60_000);
    const { chain } = await testGateway.agent.navigate('/auth/logout', { from: 'page', form: {} });
    const hint = new URL(chain[0]?.header('location') ?? '').searchParams.get('id_token_hint');
    expect(hint).toBe(testGateway.provider.secrets(['id_token']).at(-1));
    expect(testGateway.provider.families).toMatchObject([{ alive: false }]);
  });

  it('is recognized by its content type when the browser sends no fetch metadata', async () => {
    const response = await request(testGateway.gateway.url)
      .post('/auth/logout')
      .set('X-CSRF', '1')
      .type('form')
      .send('a=b')
      .expect(303);
    expect(response.headers['location']).toBe('/');
  });

  it('redirects to the start page when the provider has no end-session endpoint (standards: D6)', async () => {
    const provider = await startFakeProvider();
    delete provider.metadata['end_session_endpoint'];
    const other = await openTestGatewayForTest({ provider });
    await other.agent.signIn();
    const tab = other.browser({ like: other.agent });
    const { chain } = await other.agent.navigate('/auth/logout', { from: 'page', form: {} });
    expect(chain[0]).toMatchObject({ status: 303 });
    expect(chain[0]?.header('location')).toBe('/');
    expect((await tab.fetch('/api/one')).status).toBe(401);
    expect(provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  });

  it.each(['returnTo', 'post_logout_redirect_uri', 'redirect'])(
    'ignores a redirect target in the parameter %s (standards: B1, D5)',
    async (name) => {
      await testGateway.agent.signIn();
      const path = `/auth/logout?${name}=//evil.example`;
      const form = { [name]: 'https://evil.example/' };
      const { chain } = await testGateway.agent.navigate(path, { from: 'page', form });
      expect(chain[0]?.header('location')).not.toContain('evil.example');
      expect(chain.at(-1)?.url).toBe(`${testGateway.gateway.url}/`);
    },
  );
});

describe('a logout request that does not come from a page of this origin (standards: D2)', () => {
  /** The header fields of a form in Firefox behind a service worker that repeats requests, on any site. */
  const passedOn = {
    'sec-fetch-site': 'same-origin',
    'sec-fetch-mode': 'same-origin',
    'sec-fetch-dest': 'empty',
    'content-type': 'application/x-www-form-urlencoded',
  };

  it.each(['GET', 'HEAD'])('gets a 405 with %s and ends no session', async (method) => {
    await testGateway.agent.signIn();
    const response = await testGateway.agent.request('/auth/logout', { method });
    expect(response.status).toBe(405);
    expect(response.header('allow')).toBe('POST');
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it.each([
    [
      'a form on another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      'csrf_rejected',
    ],
    [
      'a form on a sibling host',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' },
      'csrf_rejected',
    ],
    [
      'typed into the address bar',
      { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' },
      'csrf_rejected',
    ],
    [
      'a form of another site that a service worker passed on, which looks like our own',
      { ...passedOn, referer: 'https://blog.example.test/' },
      'csrf_rejected',
    ],
    ['such a form that hides the address of its page', passedOn, 'csrf_rejected'],
    ['without fetch metadata', {}, 'csrf_rejected'],
    ['with a wrong value of the CSRF header', { 'x-csrf': '2' }, 'csrf_rejected'],
    [
      'from another site with the CSRF header',
      { 'sec-fetch-site': 'cross-site', 'x-csrf': '1' },
      'csrf_rejected',
    ],
    ['from another origin', { origin: 'https://evil.example', 'x-csrf': '1' }, 'origin_rejected'],
    ['from the origin null', { origin: 'null', 'x-csrf': '1' }, 'origin_rejected'],
    [
      'from the same host on another port',
      { origin: 'http://127.0.0.1', 'sec-fetch-site': 'same-origin' },
      'origin_rejected',
    ],
  ])('gets a 403 when it is %s and ends no session', async (_what, headers, code) => {
    await testGateway.agent.signIn();
    const response = await testGateway.agent.post('/auth/logout', { headers });
    expect(response.status).toBe(403);
    expect(errorCodeOf(response.text(), testGateway.gateway)).toBe(code);
    expect(response.setCookies).toEqual([]);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect(revocations()).toEqual([]);
  });

  it('is accepted from a form of the app that a service worker repeated, which its Referer shows', async () => {
    await testGateway.agent.signIn();
    const { url } = testGateway.gateway;
    const headers = { ...passedOn, origin: url, referer: `${url}/account`, accept: 'text/html' };
    expect((await testGateway.agent.post('/auth/logout', { headers })).status).toBe(303);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('is accepted with the CSRF header when the browser sends no fetch metadata', async () => {
    await testGateway.agent.signIn();
    const headers = { origin: testGateway.gateway.url, 'x-csrf': '1' };
    expect((await testGateway.agent.post('/auth/logout', { headers })).status).toBe(200);
  });
});

describe('a logout during a failure of the provider', () => {
  it.each([
    ['responds 503', () => (testGateway.provider.faults.revoke = { status: 503, times: 1 })],
    ['closes the connection', () => testGateway.provider.faults.dropBefore('revoke')],
  ])(
    'ends the session and revokes the token later when the provider %s (standards: D8)',
    async (_what, fail) => {
      await testGateway.agent.signIn();
      const tab = testGateway.browser({ like: testGateway.agent });
      fail();
      const response = await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
      expect(response.status).toBe(200);
      expect(response.setCookies).toEqual([CLEARED]);
      expect((await tab.fetch('/api/one')).status).toBe(401);
      expect(testGateway.provider.families).toMatchObject([{ alive: true }]);
      await vi.waitFor(
        () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
        {
          timeout: 20_000,
        },
      );
      expect(new Set(revocations().map(({ form }) => form?.['token']))).toEqual(new Set(refreshTokens()));
    },
  );

  it('completes without waiting for a revocation endpoint that hangs', async () => {
    await testGateway.agent.signIn();
    const gate = testGateway.provider.faults.hold('revoke');
    expect((await testGateway.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    await gate.waiting();
    expect(testGateway.provider.families).toMatchObject([{ alive: true }]);
    gate.release();
    await vi.waitFor(() =>
      expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
    );
  });

  it('retries a failed revocation before the gateway closes when the store is in memory (standards: D8)', async () => {
    const other = await openTestGatewayForTest({ store: 'memory:' });
    await other.agent.signIn();
    other.provider.faults.revoke = { status: 503, times: 1 };
    await other.agent.fetch('/auth/logout', { method: 'POST' });
    await other.gateway.gateway.close();
    expect(other.provider.families).toMatchObject([{ endedBecause: 'revoked' }]);
  });

  it('leaves a failed revocation to another gateway when this gateway closes (standards: D8)', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.faults.revoke = { status: 503 };
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    await testGateway.gateway.gateway.close();
    expect(testGateway.provider.families).toMatchObject([{ alive: true }]);
    expect(await redis.dump()).not.toContain(refreshTokens()[0]);
    testGateway.provider.faults.clear();
    await testGateway.replica();
    await vi.waitFor(
      () => expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]),
      {
        timeout: 20_000,
      },
    );
    await vi.waitFor(async () => expect(await redis.command('EXISTS', 'coatcheck:revocations')).toBe(0), {
      timeout: 20_000,
    });
  });

  it('logs once that the provider rejects the revocation and does not retry (standards: D8)', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.faults.revoke = { status: 400, body: { error: 'unsupported_token_type' } };
    expect((await testGateway.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(await redis.command('EXISTS', 'coatcheck:revocations')).toBe(0);
    const lines = testGateway.gateway
      .logs()
      .split('\n')
      .filter((line) => line.includes('refuses to revoke'));
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['error']);
    expect(lines.join()).not.toContain(refreshTokens()[0]);
    expect(revocations()).toHaveLength(1);
  });

  it('ends the session when the provider has no revocation endpoint', async () => {
    const provider = await startFakeProvider();
    delete provider.metadata['revocation_endpoint'];
    const other = await openTestGatewayForTest({ provider });
    await other.agent.signIn();
    expect((await other.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect((await other.agent.fetch('/api/one')).status).toBe(401);
    expect(revocations(other)).toEqual([]);
  });

  it('revokes the current refresh token after a rotation', async () => {
    await testGateway.agent.signIn();
    testGateway.advance(300_000);
    await testGateway.agent.fetch('/api/one');
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    expect(revocations().map(({ form }) => form?.['token'])).toEqual([refreshTokens()[1]]);
    expect(testGateway.provider.families).toMatchObject([{ reuses: 0, endedBecause: 'revoked' }]);
  });
});
