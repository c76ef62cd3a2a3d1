import { createHash } from 'node:crypto';
import request from 'supertest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type BegunLogin,
  authorize,
  beginLogin,
  finishLogin,
  login,
} from '../../../testkit/gateway/login-steps.ts';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { GATEWAY_NAME, type RedisServer } from '../../../testkit/redis/redis-server.ts';
import {
  openTestGatewayForTest,
  openTestGatewayForEachTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { expectRefusal } from './refusal.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

/** Sends a callback that another origin began, not as a navigation: a failed one gets a problem document. */
function sendCallback(agent: UserAgent, url: URL | string): Promise<AgentResponse> {
  const headers = { 'sec-fetch-site': 'cross-site' };
  return agent.get(new URL(url, agent.origin).href, { headers });
}

/** Expects a rejected login with a reason for developers, and no session or cookie. */
const expectRefused = (response: AgentResponse, reason: RegExp, agent = testGateway.agent) =>
  expectRefusal(response, reason, { agent, redis });
const tokenCalls = () => testGateway.provider.tokenCalls();

describe('GET /auth/callback after a login', () => {
  it('redirects with 303, starts a session and clears the login cookie (standards: A21, B22, E17, E21)', async () => {
    const callback = await login(testGateway.agent, '?returnTo=/inbox');
    expect(callback.status).toBe(303);
    expect(callback.header('location')).toBe('/inbox');
    expect(callback.header('referrer-policy')).toBe('no-referrer');
    expect(callback.header('cache-control')).toBe('no-store');
    expect(callback.body).toHaveLength(0);

    expect(callback.setCookies).toHaveLength(2);
    expect(callback.setCookies).toContainEqual(
      expect.stringMatching(/^coatcheck-login-\S+=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/),
    );
    expect(testGateway.agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('sets an opaque HttpOnly session cookie without expiry (standards: A5–A7, A9, E10, E13)', async () => {
    const { setCookies } = await login(testGateway.agent);
    const line = setCookies.find((cookie) => cookie.startsWith('coatcheck=')) ?? '';
    expect(line).toMatch(/^coatcheck=[\w*~.-]{43,500}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(line).not.toMatch(/eyJ[\w-]+\.eyJ/);
    expect(testGateway.agent.cookies.visibleToScripts(new URL(testGateway.gateway.url))).toBe('');
  });

  it('sets a Secure cookie with the __Host-Http- prefix when the base URL is https (standards: A4, A8)', async () => {
    const other = await openTestGatewayForTest({ baseUrl: 'https://app.example.test' });
    const { setCookies } = await login(other.agent);
    expect(setCookies).toEqual([
      expect.stringMatching(
        /^__Host-Http-coatcheck-login-\S+=; Path=\/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$/,
      ),
      expect.stringMatching(
        /^__Host-Http-coatcheck=[\w*~.-]{43,500}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
      ),
    ]);
    expect((await other.agent.fetch('/api/one')).status).toBe(200);
  });

  it('sets the configured SameSite attribute', async () => {
    const other = await openTestGatewayForTest({ config: { session: { cookie: { sameSite: 'lax' } } } });
    const { setCookies } = await login(other.agent);
    expect(setCookies).toContainEqual(
      expect.stringMatching(/^coatcheck=\S+; Path=\/; HttpOnly; SameSite=Lax$/),
    );
  });

  it('redeems the code once with the code verifier and the client authentication (standards: A1, B3, B21)', async () => {
    const begun = await beginLogin(testGateway.agent);
    await finishLogin(testGateway.agent, begun);
    const [tokenRequest, ...more] = testGateway.provider.requests.filter(
      ({ endpoint }) => endpoint === 'token',
    );
    expect(more).toEqual([]);
    expect(tokenRequest?.authorization).toMatch(/^Basic /);
    expect(tokenRequest?.form).toMatchObject({
      grant_type: 'authorization_code',
      redirect_uri: `${testGateway.gateway.url}/auth/callback`,
      code_verifier: expect.stringMatching(/^[\w.~-]{43,128}$/),
    });
    const {
      code_challenge: challenge,
      state,
      nonce,
    } = Object.fromEntries(begun.authorizationUrl.searchParams);
    const verifier = tokenRequest?.form?.['code_verifier'] ?? '';
    expect(createHash('sha256').update(verifier).digest('base64url')).toBe(challenge);
    expect(new Set([state, nonce, verifier]).size).toBe(3);
  });

  it('sends no token, code verifier or secret to the browser (standards: A3)', async () => {
    await testGateway.agent.signIn();
    await testGateway.agent.fetch('/auth/session');
    const received = testGateway.agent.received(testGateway.gateway.url);
    const secrets = testGateway.provider.secrets([
      'access_token',
      'refresh_token',
      'id_token',
      'code_verifier',
      'client_secret',
    ]);
    expect(secrets.length).toBeGreaterThanOrEqual(5);
    expect(secrets.filter((secret) => received.includes(secret))).toEqual([]);
  });

  it('issues a new session ID at each login and ends the previous session (standards: E2)', async () => {
    await testGateway.agent.signIn();
    const former = testGateway.browser({ like: testGateway.agent });
    await testGateway.agent.signIn();
    expect(testGateway.agent.cookies.get('coatcheck')?.value).not.toBe(
      former.cookies.get('coatcheck')?.value,
    );
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect((await former.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
    // The revocation continues in the background.
    await vi.waitFor(() =>
      expect(testGateway.provider.families.map(({ alive, endedBecause }) => [alive, endedBecause])).toEqual([
        [false, 'revoked'],
        [true, undefined],
      ]),
    );
  });

  it('ends the session whose cookie the callback carries even if it is younger than the login attempt', async () => {
    const other = await openTestGatewayForTest({ config: { session: { cookie: { sameSite: 'lax' } } } });
    const tabs = [await beginLogin(other.agent), await beginLogin(other.agent)] as const;
    await finishLogin(other.agent, tabs[0]);
    const former = other.browser({ like: other.agent });
    await finishLogin(other.agent, tabs[1]);
    expect((await other.agent.fetch('/api/one')).status).toBe(200);
    expect((await former.fetch('/api/one')).status).toBe(401);
  });

  it('does not adopt a session cookie that was planted before the login (standards: E2)', async () => {
    const attacker = testGateway.browser();
    await attacker.signIn('/', { loginHint: 'mallory' });
    const planted = attacker.cookies.get('coatcheck')?.value ?? '';
    testGateway.agent.setCookie(`coatcheck=${planted}; Path=/`);
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    expect(testGateway.agent.cookies.get('coatcheck')?.value).not.toBe(planted);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect((await attacker.fetch('/auth/session')).json()).not.toMatchObject({ subject: 'alice' });
  });

  it('accepts large access tokens and ignores unknown members in the token response (standards: C16)', async () => {
    testGateway.provider.patchTokenResponse = (json) => ({
      ...json,
      access_token: 'x'.repeat(16_384),
      future: { a: [1] },
    });
    testGateway.upstream.respond(
      (_request, response, record) => void response.end(`${record.bearer?.length}`),
    );
    expect((await login(testGateway.agent)).status).toBe(303);
    // Node reads 16 KiB of header section by default; what a server does beyond is its own matter.
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, access_token: 'x'.repeat(12_000) });
    expect((await login(testGateway.agent)).status).toBe(303);
    expect((await testGateway.agent.fetch('/api/one')).text()).toBe('12000');
  });
});

describe('concurrent logins in one browser (standards: C28)', () => {
  it('each redirect to their own returnTo in any order of completion', async () => {
    const tabs: BegunLogin[] = [];
    for (const returnTo of ['/first', '/second', '/third']) {
      tabs.push(await beginLogin(testGateway.agent, `?returnTo=${returnTo}`));
    }
    const responses = [];
    for (const tab of tabs.toReversed()) responses.push(await finishLogin(testGateway.agent, tab));
    expect(responses.map((response) => [response.status, response.header('location')])).toEqual([
      [303, '/third'],
      [303, '/second'],
      [303, '/first'],
    ]);
    expect(testGateway.agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('continue when one of them fails', async () => {
    const failing = await beginLogin(testGateway.agent);
    const other = await beginLogin(testGateway.agent, '?returnTo=/other');
    testGateway.provider.user = undefined;
    expect((await finishLogin(testGateway.agent, failing)).status).toBe(400);
    testGateway.provider.user = 'alice';
    expect((await finishLogin(testGateway.agent, other)).header('location')).toBe('/other');
  });

  it('continue when the store cannot read one of them', async () => {
    await redis.command('FLUSHALL');
    await beginLogin(testGateway.agent);
    const [key = ''] = (await redis.command('KEYS', 'coatcheck:note:*')) as string[];
    await redis.command('DEL', key);
    await redis.command('LPUSH', key, 'not a text');
    const other = await beginLogin(testGateway.agent, '?returnTo=/other');
    const callback = await finishLogin(testGateway.agent, other);
    expect([callback.status, callback.header('location')]).toEqual([303, '/other']);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });
});

describe('a callback that belongs to no login of this browser (standards: B2, E16)', () => {
  it('is rejected when its state was already used', async () => {
    const begun = await beginLogin(testGateway.agent);
    const callback = await authorize(testGateway.agent, begun);
    expect((await sendCallback(testGateway.agent, callback)).status).toBe(303);
    const replayed = await sendCallback(testGateway.agent, callback);
    expect(replayed.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('sign in again'),
    });
    expect(tokenCalls()).toBe(1);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('is rejected when its state is in use at that moment (standards: C28)', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    const cookie = testGateway.agent.cookies.header(callback, { crossSite: false, topLevelGet: true });
    const headers = { cookie, 'sec-fetch-site': 'cross-site' };
    const send = () => testGateway.browser().get(callback.href, { headers });
    const responses = await Promise.all(Array.from({ length: 6 }, send));
    expect(responses.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(responses.filter(({ status }) => status === 400)).toHaveLength(5);
    expect(tokenCalls()).toBe(1);
  });

  it('fails before it uses the code when the store cannot remove its login, and may be repeated (standards: C28)', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '-del');
    onTestFinished(() => void redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+del'));
    const failed = await sendCallback(testGateway.agent, callback);
    expect([failed.status, failed.setCookies, tokenCalls()]).toEqual([503, [], 0]);
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+del');
    expect((await sendCallback(testGateway.agent, callback)).status).toBe(303);
  });

  it('is rejected when it belongs to another browser whose login stays valid', async () => {
    const attacker = await beginLogin(testGateway.agent, '?login_hint=mallory');
    const callback = await authorize(testGateway.agent, attacker);
    const victim = testGateway.browser();
    await beginLogin(victim);
    const response = await sendCallback(victim, callback);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('in this browser'),
    });
    expect(victim.cookies.get('coatcheck')).toBeUndefined();
    expect(tokenCalls()).toBe(0);
    expect((await sendCallback(testGateway.agent, callback)).status).toBe(303);
  });

  it('is rejected when its login attempt is older than ten minutes', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    const header = testGateway.agent.cookies.header(callback, { crossSite: false, topLevelGet: true });
    testGateway.advance(600_001);
    // The browser has deleted the cookie by now; a client that still sends it is rejected as well.
    await expectRefused(await sendCallback(testGateway.agent, callback), /expired/);
    await expectRefused(
      await testGateway.agent.get(callback.href, { headers: { cookie: header } }),
      /expired/,
    );
    expect(tokenCalls()).toBe(0);
  });

  it('is rejected when it carries the state of another login attempt of the same browser (standards: B7)', async () => {
    const [one, two] = [await beginLogin(testGateway.agent), await beginLogin(testGateway.agent)];
    const callback = await authorize(testGateway.agent, one);
    callback.searchParams.set('state', two.authorizationUrl.searchParams.get('state') ?? '');
    const response = await sendCallback(testGateway.agent, callback);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('invalid_grant'),
    });
    expect(testGateway.agent.cookies.get('coatcheck')).toBeUndefined();
  });

  it('is rejected when one character of its state was changed (standards: B7)', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    const state = callback.searchParams.get('state') ?? '';
    callback.searchParams.set('state', `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`);
    const response = await sendCallback(testGateway.agent, callback);
    expect(response.json()).toMatchObject({ code: 'login_failed' });
    expect(tokenCalls()).toBe(0);
  });

  it.each([
    ['modified', (own: string) => own.replace(/.(?=.{20}$)/, (one) => (one === 'A' ? 'B' : 'A'))],
    ['truncated', (own: string) => own.slice(0, -8)],
    ['that of another login attempt', (_own: string, other: string) => other],
    ['a session cookie', (_own: string, _other: string, session: string) => session],
    ['empty', () => ''],
  ])('is rejected when its login cookie is %s (standards: B4)', async (_what, forge) => {
    const elsewhere = testGateway.browser();
    await elsewhere.signIn();
    const other = testGateway.browser();
    await beginLogin(other);
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    const [own] = testGateway.agent.cookies.all();
    const [others] = other.cookies.all();
    const session = elsewhere.cookies.get('coatcheck')?.value ?? '';
    const before = tokenCalls();
    const cookie = `${own?.name}=${forge(own?.value ?? '', others?.value ?? '', session)}`;
    const response = await testGateway.agent.get(callback.href, { headers: { cookie } });
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('in this browser'),
    });
    expect(tokenCalls()).toBe(before);
  });
});

describe('a callback that is not a valid authorization response (standards: C24, C29)', () => {
  it.each([
    ['without a query', '', /no "state"/],
    ['without a state', '?code=x', /no "state"/],
    ['with only an empty code', '?code=', /no "state"/],
    ['with an empty state', '?code=x&state=', /no "state"/],
    ['with a state in brackets', '?code=x&state[]=y', /no "state"/],
    ['with an unknown state', '?code=x&state=y', /in this browser/],
    ['with tokens instead of a code', '?access_token=x&id_token=y&state=z', /in this browser/],
    ['with a state named like an object property', '?code=x&state=__proto__', /in this browser/],
    ['very long', `?code=${'x'.repeat(12_000)}&state=y`, /in this browser/],
    ['not UTF-8', '?code=%ff&state=%fe', /in this browser/],
  ])('is rejected when it is %s', async (_what, query, reason) => {
    const response = await request(testGateway.gateway.url).get(`/auth/callback${query}`).expect(400);
    expect(JSON.parse(response.text)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringMatching(reason),
    });
    expect(response.headers).not.toHaveProperty('set-cookie');
    expect(tokenCalls()).toBe(0);
  });

  it.each(['state', 'code', 'iss', 'error'])('is rejected when it has two values for %s', async (name) => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    for (const value of ['x', 'x']) callback.searchParams.append(name, value);
    const response = await sendCallback(testGateway.agent, callback);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining(`more than one "${name}"`),
    });
    expect(tokenCalls()).toBe(0);
  });

  it.each([
    [
      'an access token but no code',
      (code: URLSearchParams) => code.append('access_token', 'x'),
      /not requested/,
    ],
    ['an ID token but no code', (code: URLSearchParams) => code.append('id_token', 'x.y.z'), /not requested/],
    [
      'a JARM response but no code',
      (code: URLSearchParams) => code.append('response', 'x.y.z'),
      /not requested/,
    ],
    ['an empty code', (code: URLSearchParams) => code.append('code', ''), /no authorization code/],
  ])('is rejected when it has the right state and %s', async (_what, change, reason) => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    callback.searchParams.delete('code');
    change(callback.searchParams);
    await expectRefused(await sendCallback(testGateway.agent, callback), reason);
    expect(tokenCalls()).toBe(0);
  });

  it('is rejected when it has an ID token in addition to its code', async () => {
    const callback = await authorize(testGateway.agent, await beginLogin(testGateway.agent));
    callback.searchParams.append('id_token', 'x.y.z');
    await expectRefused(await sendCallback(testGateway.agent, callback), /not requested/);
    expect(tokenCalls()).toBe(0);
  });

  it('gets a 431 when it is larger than the server accepts and the next login succeeds', async () => {
    const head = `Host: 127.0.0.1:${testGateway.gateway.port}\r\nConnection: close\r\n\r\n`;
    const huge = `GET /auth/callback?state=y&code=${'x'.repeat(100_000)} HTTP/1.1\r\n${head}`;
    expect((await rawRequest(testGateway.gateway.port, huge)).status).toBe(431);
    expect((await login(testGateway.agent)).status).toBe(303);
  });

  it('gets a 405 when it is a POST', async () => {
    const response = await request(testGateway.gateway.url)
      .post('/auth/callback')
      .type('form')
      .send('code=x&state=y')
      .expect(405);
    expect(response.headers['allow']).toBe('GET, HEAD');
  });
});
