import request from 'supertest';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type BegunLogin, beginLogin, finishLogin, login } from '../../../testkit/gateway/login-steps.ts';
import { valuesOf } from '../../../testkit/network/header-list.ts';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

let testGateway: TestGateway;

beforeEach(async () => {
  testGateway = await openTestGateway();
});

afterEach(() => testGateway.close());

function loginCookies({ agent }: TestGateway) {
  return agent.cookies.all().filter(({ name }) => name.includes('coatcheck-login-'));
}

function parametersOf({ authorizationUrl }: BegunLogin): Record<string, string> {
  return Object.fromEntries(authorizationUrl.searchParams);
}

describe('GET /auth/login by a navigation', () => {
  it('redirects to the provider with response_type code, PKCE S256, state and nonce (standards: A2, B3, B21)', async () => {
    const begun = await beginLogin(testGateway.agent, '?returnTo=/inbox');
    const { authorizationUrl, response } = begun;
    expect(authorizationUrl.origin + authorizationUrl.pathname).toBe(
      `${testGateway.provider.issuer}/authorize`,
    );
    expect(parametersOf(begun)).toEqual({
      client_id: 'web',
      response_type: 'code',
      redirect_uri: `${testGateway.gateway.url}/auth/callback`,
      scope: expect.stringMatching(/^openid( |$)/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    expect(response.body).toHaveLength(0);
  });

  it('is not cached, not framed and sends no referrer to another origin (standards: B22, E21, E22)', async () => {
    const { headers } = await request(testGateway.gateway.url).get('/auth/login').expect(302);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    });
    expect(headers).not.toHaveProperty('x-powered-by');
  });

  it('uses each state, nonce and code challenge only once (standards: B4)', async () => {
    const logins = await Promise.all(Array.from({ length: 50 }, () => beginLogin(testGateway.browser())));
    const values = logins.flatMap((begun) => {
      const { state, nonce, code_challenge: challenge } = parametersOf(begun);
      return [state, nonce, challenge];
    });
    expect(new Set(values).size).toBe(150);
  });

  it('sends state, nonce and PKCE even when the provider does not announce PKCE (standards: B6)', async () => {
    const provider = await startFakeProvider();
    delete provider.metadata['code_challenge_methods_supported'];
    const other = await openTestGatewayForTest({ provider });
    const begun = await beginLogin(other.agent);
    expect(parametersOf(begun)).toMatchObject({
      state: expect.any(String),
      nonce: expect.any(String),
      code_challenge_method: 'S256',
    });
    expect((await finishLogin(other.agent, begun)).status).toBe(303);
  });

  it('keeps the existing session until the new login succeeds', async () => {
    await testGateway.agent.signIn();
    await beginLogin(testGateway.agent);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('leaves the user signed in when another site forces a login (standards: E16)', async () => {
    await testGateway.agent.signIn();
    const { response } = await testGateway.agent.navigate('/auth/login', {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(new URL(response.url).pathname).toBe('/');
    const session = await testGateway.agent.fetch('/auth/session');
    expect(session.json()).toMatchObject({ authenticated: true, subject: 'alice' });
  });
});

describe('GET /auth/login without a navigation', () => {
  it.each([
    ['in a frame', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    [
      'as a prefetch',
      { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-purpose': 'prefetch' },
    ],
  ])('starts no sign-in %s', async (_where, headers) => {
    const response = await request(testGateway.gateway.url).get('/auth/login').set(headers).expect(400);
    expect(response.headers).not.toHaveProperty('location');
    expect(response.headers).not.toHaveProperty('set-cookie');
  });

  it('starts one for Firefox behind a service worker that repeats navigations', async () => {
    const response = await request(testGateway.gateway.url)
      .get('/auth/login')
      .set({ 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty', accept: 'text/html,*/*' })
      .expect(302);
    expect(response.headers['location']).toContain('/authorize?');
  });

  it.each(['cors', 'no-cors', 'same-origin', 'websocket'])(
    'is rejected for a fetch of mode %s with a detail that mentions navigation (standards: A21)',
    async (mode) => {
      const response = await request(testGateway.gateway.url)
        .get('/auth/login')
        .set('sec-fetch-mode', mode)
        .expect(400);
      expect(response.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(response.text)).toMatchObject({
        status: 400,
        code: 'bad_request',
        detail: expect.stringContaining('navigation'),
      });
      expect(response.headers).not.toHaveProperty('location');
      expect(response.headers).not.toHaveProperty('set-cookie');
    },
  );

  it('rejects other methods with 405 and lists the allowed methods', async () => {
    const response = await request(testGateway.gateway.url)
      .post('/auth/login')
      .set('X-CSRF', '1')
      .expect(405);
    expect(response.headers['allow']).toBe('GET, HEAD');
    expect(JSON.parse(response.text)).toMatchObject({ code: 'method_not_allowed' });
  });

  it.each(['/auth', '/auth/', '/auth/login/', '/auth/Login', '/auth/none', '/auth/login.json'])(
    'a request to the unknown path %s gets a 404',
    async (path) => {
      const response = await request(testGateway.gateway.url).get(path).expect(404);
      expect(JSON.parse(response.text)).toMatchObject({ code: 'not_found' });
      expect(response.headers['cache-control']).toBe('no-store');
    },
  );
});

describe('the authorization request of a login', () => {
  it('carries prompt=none and login_hint from the query', async () => {
    const begun = await beginLogin(testGateway.agent, '?prompt=none&login_hint=carol%40example.test');
    expect(parametersOf(begun)).toMatchObject({ prompt: 'none', login_hint: 'carol@example.test' });
  });

  it.each([
    'scope=admin',
    'redirect_uri=https://evil.example/callback',
    'client_id=other',
    'response_type=token',
    'response_mode=form_post',
    'state=mine',
    'nonce=mine',
    'code_challenge=mine&code_challenge_method=plain',
    'acr_values=0',
    'request_uri=https://evil.example/object',
    'prompt=login',
    'prompt=none&prompt=none',
    'login_hint=a&login_hint=b',
    `login_hint=${'x'.repeat(257)}`,
    'returnTo=/x%26scope%3Dadmin%26acr_values%3D0',
  ])('carries no parameter from the query %s', async (query) => {
    const plain = parametersOf(await beginLogin(testGateway.agent));
    const begun = parametersOf(await beginLogin(testGateway.agent, `?${query}`));
    const perLogin = { state: '', nonce: '', code_challenge: '' };
    expect({ ...begun, ...perLogin }).toEqual({ ...plain, ...perLogin });
    expect(Object.values(begun)).not.toContain('mine');
  });

  it('carries the configured redirect URI regardless of the Host in the request (standards: B21)', async () => {
    const { port, url } = testGateway.gateway;
    const head = `GET /auth/login HTTP/1.1\r\nConnection: close\r\n`;
    const forged = await rawRequest(port, `${head}Host: evil.example\r\n\r\n`);
    expect(forged.status).toBe(421);
    expect(JSON.parse(forged.body.toString())).toMatchObject({ code: 'wrong_host' });

    const response = await request(url)
      .get('/auth/login')
      .set({
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-Proto': 'https',
        Forwarded: 'host=evil.example',
      })
      .expect(302);
    const redirectUri = new URL(response.headers['location'] ?? '').searchParams.get('redirect_uri');
    expect(redirectUri).toBe(`${url}/auth/callback`);
  });
});

describe('returnTo (standards: B1)', () => {
  it.each([
    ['/inbox?folder=a&page=2#last', '/inbox?folder=a&page=2#last'],
    ['/a//b', '/a//b'],
    ['/./a/../inbox', '/inbox'],
    ['/%09/evil.example', '/%09/evil.example'],
    ['/@evil.example', '/@evil.example'],
    ['/x&scope=admin', '/x&scope=admin'],
  ])('sends the browser to the path %s after the login', async (returnTo, location) => {
    const begun = await beginLogin(testGateway.agent, `?${new URLSearchParams({ returnTo })}`);
    const callback = await finishLogin(testGateway.agent, begun);
    expect(callback.header('location')).toBe(location);
    expect(new URL(location, testGateway.gateway.url).origin).toBe(testGateway.gateway.url);
  });

  it.each([
    ['another host', '//evil.example'],
    ['another host after three slashes', '///evil.example'],
    ['another host after a backslash', '/\\evil.example'],
    ['another host after two backslashes', '\\\\evil.example'],
    ['another host after a tab', '/\t/evil.example'],
    ['another host after a line break', '/\n/evil.example'],
    ['another host after a carriage return', '/\r/evil.example'],
    ['another host after dot segments', '/..//evil.example'],
    ['another host after encoded dot segments', '/x/%2e%2e//evil.example'],
    ['a backslash after a dot segment', '/./\\evil.example'],
    ['a scheme without slashes', 'https:evil.example'],
    ['a scheme with three slashes', 'https:///evil.example'],
    ['an absolute URL of this origin', 'http://127.0.0.1/inbox'],
    ['a host after user information', 'http://app.example.test@evil.example'],
    ['a host that begins with the host of the gateway', 'http://app.example.test.evil.example'],
    ['a script', 'javascript:alert(1)'],
    ['a data URL', 'data:text/html,x'],
    ['another host after full-width slashes', '／／evil.example'],
    ['a path with non-ASCII characters', '/ünïcode'],
    ['a path with a space', '/a b'],
    ['a relative path', 'inbox'],
    ['empty', ''],
    ['an endpoint of the gateway', '/auth/logout'],
    ['the prefix of the gateway', '/auth'],
    ['an endpoint of the gateway after dot segments', '/x/../auth/login'],
    ['too long', `/${'a'.repeat(5_000)}`],
    ['too long after percent-encoding', `/${'"'.repeat(1_000)}`],
  ])('is ignored when it is %s', async (_what, returnTo) => {
    const begun = await beginLogin(testGateway.agent, `?${new URLSearchParams({ returnTo })}`);
    const callback = await finishLogin(testGateway.agent, begun);
    expect(callback.header('location')).toBe('/');
  });

  it.each([
    ['given twice', 'returnTo=/a&returnTo=/b'],
    ['an array', 'returnTo[]=/a'],
    ['an object', 'returnTo[path]=/a'],
    ['bytes that are not UTF-8', 'returnTo=/%ff%fe'],
    ['a broken percent-encoding of another host', 'returnTo=%2f%2fevil.example'],
  ])('is ignored when it is %s', async (_what, query) => {
    const callback = await login(testGateway.agent, `?${query}`);
    expect(callback.header('location')).toBe('/');
  });

  it('defaults to login.defaultReturnTo', async () => {
    const other = await openTestGatewayForTest({ config: { login: { defaultReturnTo: '/home' } } });
    const callback = await login(other.agent);
    expect(callback.header('location')).toBe('/home');
  });
});

describe('the login cookie', () => {
  it('is HttpOnly, short-lived, sealed and limited to this host (standards: A5, A7, B4)', async () => {
    const begun = await beginLogin(testGateway.agent, '?returnTo=/inbox');
    const [line = '', ...more] = begun.response.setCookies;
    expect(more).toEqual([]);
    expect(line).toMatch(/^coatcheck-login-\d\d=[\w.-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    const { state = '', nonce = '' } = parametersOf(begun);
    for (const secret of [state, nonce, 'inbox']) expect(line).not.toContain(secret);
  });

  it('is Secure with the __Host-Http- prefix when the base URL is https (standards: A4, A8)', async () => {
    const other = await openTestGatewayForTest({ baseUrl: 'https://app.example.test' });
    const { response } = await beginLogin(other.agent);
    expect(response.setCookies).toEqual([
      expect.stringMatching(
        /^__Host-Http-coatcheck-login-\d\d=[\w.-]+; Path=\/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(response.header('strict-transport-security')).toMatch(/^max-age=\d{8}/);
    expect(loginCookies(other)).toHaveLength(1);
  });

  it('stays below 4 kB together with those of thirty tabs that begin at the same moment (standards: E10, C28)', async () => {
    const { agent } = testGateway;
    const begin = () => beginLogin(testGateway.browser(), `?returnTo=${'/'.padEnd(1_024, 'x')}`);
    const begun = await Promise.all(Array.from({ length: 30 }, begin));
    // No request has seen the cookies of another, and the browser stores them all.
    for (const line of begun.flatMap(({ response }) => response.setCookies)) {
      expect(line.length).toBeLessThan(4_096);
      agent.cookies.store(new URL(testGateway.gateway.url), line);
    }
    const cookies = loginCookies(testGateway);
    expect(cookies.map(({ name, value }) => `${name}=${value}`).join('; ').length).toBeLessThan(4_000);
    expect((await agent.get('/auth/session')).status).toBe(200);
    for (const tab of begun.slice(-2)) {
      const callback = await finishLogin(agent, tab);
      expect(callback.header('location')).toBe('/'.padEnd(1_024, 'x'));
    }
  });

  it('completes among 300 planted cookies of its name, which later responses clear, in heads below 4 kB (standards: C28)', async () => {
    const { agent, gateway } = testGateway;
    await agent.signIn();
    const tab = await beginLogin(agent, '?returnTo=/items');
    for (let at = 0; at < 300; at += 1) agent.setCookie(`coatcheck-login-planted-${at}=x; Path=/`);
    // What a proxy in front has to keep of a response.
    const sizes: number[] = [];
    const cookieHeader = () =>
      agent.cookies
        .all()
        .map(({ name, value }) => `${name}=${value}`)
        .join('; ');
    const open = async (target: string) => {
      const fields = [`Host: ${new URL(gateway.url).host}`, `Cookie: ${cookieHeader()}`];
      const head = [`GET ${target} HTTP/1.1`, ...fields, '', ''].join('\r\n');
      const response = await rawRequest(gateway.port, head);
      sizes.push(response.raw.length - response.body.length);
      for (const line of valuesOf(response.headers, 'set-cookie'))
        agent.cookies.store(new URL(gateway.url), line);
      return response;
    };
    const provider = await testGateway.browser().get(tab.authorizationUrl.href);
    const callback = new URL(provider.header('location') ?? '');
    expect((await open(callback.pathname + callback.search)).header('location')).toBe('/items');
    while (cookieHeader().length > 5_000) expect((await open('/auth/login')).status).toBe(302);
    expect(Math.max(...sizes)).toBeLessThan(4_096);
    expect((await agent.get('/auth/session')).json()).toMatchObject({ authenticated: true });
  });

  it('has one entry of less than 3 kB in Redis, which expires after ten minutes (standards: F22)', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const inRedis = await openTestGatewayForTest({ store: redis.url });
    await beginLogin(inRedis.browser(), `?returnTo=${'/'.padEnd(1_024, 'x')}`);
    const keys = await redis.command('KEYS', 'coatcheck:note:*');
    expect(keys).toEqual([expect.any(String)]);
    const [key] = keys as [string];
    expect(await redis.command('MEMORY', 'USAGE', key)).toBeLessThan(3_000);
    const ttlMs = await redis.command('PTTL', key);
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(600_000);
  });

  it('is kept for each of seven tabs, whichever ends first (standards: C28)', async () => {
    const begun: BegunLogin[] = [];
    for (let tab = 0; tab < 7; tab += 1)
      begun.push(await beginLogin(testGateway.agent, `?returnTo=/tab-${tab}`));
    const locations = [];
    for (const login of begun.toReversed()) {
      const callback = await finishLogin(testGateway.agent, login);
      locations.push(callback.header('location'));
    }
    expect(locations).toEqual(['/tab-6', '/tab-5', '/tab-4', '/tab-3', '/tab-2', '/tab-1', '/tab-0']);
    expect(loginCookies(testGateway)).toEqual([]);
  });
});

describe('a login before the gateway has reached the provider', () => {
  it('responds 503 provider_unavailable with Retry-After and no cookie and succeeds once the provider is up', async () => {
    const provider = await startFakeProvider();
    await provider.stop();
    const other = await openTestGatewayForTest({ provider });
    const response = await request(other.gateway.url).get('/auth/login').expect(503);
    expect(JSON.parse(response.text)).toMatchObject({ code: 'provider_unavailable' });
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
    expect(response.headers).not.toHaveProperty('set-cookie');

    await provider.start();
    await other.agent.signIn();
    expect((await other.agent.fetch('/api/one')).status).toBe(200);
  });

  it('responds 503 when the issuer in the metadata differs from the configured issuer (standards: C1)', async () => {
    const provider = await startFakeProvider();
    provider.metadata['issuer'] = `${provider.issuer}/`;
    const other = await openTestGatewayForTest({ provider });
    await request(other.gateway.url).get('/auth/login').expect(503);
    expect(provider.requests.map(({ endpoint }) => endpoint)).not.toContain('authorize');
    expect(other.gateway.logs()).toContain('the provider publishes');
  });
});

describe('login.prefix', () => {
  it('moves every endpoint and the redirect URI to the configured prefix', async () => {
    const other = await openTestGatewayForTest({ config: { login: { prefix: '/bff/sign' } } });
    other.provider.client.redirectUris.push(`${other.gateway.url}/bff/sign/callback`);
    const { chain } = await other.agent.navigate('/bff/sign/login?returnTo=/inbox');
    expect(chain.map(({ url }) => new URL(url).pathname)).toEqual([
      '/bff/sign/login',
      '/authorize',
      '/bff/sign/callback',
      '/inbox',
    ]);
    const session = await other.agent.fetch('/bff/sign/session');
    expect(session.json()).toMatchObject({
      authenticated: true,
      loginUrl: '/bff/sign/login',
      logoutUrl: '/bff/sign/logout',
    });
    expect((await other.agent.get('/auth/session')).status).toBe(404);
  });
});
