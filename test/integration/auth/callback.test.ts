import { createHash } from 'node:crypto';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { type BegunLogin, authorize, beginLogin, finishLogin, login } from '../../../testkit/login-steps.ts';
import { rawRequest } from '../../../testkit/raw-client.ts';
import type { RedisServer } from '../../../testkit/redis-server.ts';
import { openTestRig, openTestRigs } from '../../../testkit/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent.ts';
import { expectRefusal } from './refusal.ts';

let redis: RedisServer;
let rig: TestGateway;

openTestRigs((opened) => ({ redis, rig } = opened));

/** Sends a callback as the browser would: a navigation that another origin began. */
function sendCallback(agent: UserAgent, url: URL | string): Promise<AgentResponse> {
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  return agent.get(new URL(url, agent.origin).href, { headers });
}

/** Expects a refused login, with a reason for the developer, that left nothing behind. */
const expectRefused = (answer: AgentResponse, reason: RegExp, agent = rig.agent) =>
  expectRefusal(answer, reason, { agent, redis });
const tokenCalls = () => rig.provider.tokenCalls();

describe('GET /auth/callback after a login', () => {
  it('leads back by 303, starts a session and ends the attempt (standards: A21, B22, E17, E21)', async () => {
    const callback = await login(rig.agent, '?returnTo=/inbox');
    expect(callback.status).toBe(303);
    expect(callback.header('location')).toBe('/inbox');
    expect(callback.header('referrer-policy')).toBe('no-referrer');
    expect(callback.header('cache-control')).toBe('no-store');
    expect(callback.body).toHaveLength(0);

    expect(callback.setCookies).toHaveLength(2);
    expect(callback.setCookies).toContainEqual(
      expect.stringMatching(/^coatcheck-login-\S+=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/),
    );
    expect(rig.agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
    expect((await rig.agent.fetch('/api/one')).status).toBe(200);
  });

  it('gives an opaque cookie that ends with the browser and no script can read (standards: A5–A7, A9, E10, E13)', async () => {
    const { setCookies } = await login(rig.agent);
    const line = setCookies.find((cookie) => cookie.startsWith('coatcheck=')) ?? '';
    expect(line).toMatch(/^coatcheck=[\w*~.-]{43,500}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(line).not.toContain('eyJ');
    expect(rig.agent.cookies.visibleToScripts(new URL(rig.gateway.url))).toBe('');
  });

  it('gives a cookie with Secure and the prefix that browsers guard on https (standards: A4, A8)', async () => {
    const other = await openTestRig({ baseUrl: 'https://app.example.test' });
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

  it('gives the SameSite attribute of the configuration', async () => {
    const other = await openTestRig({ config: { session: { cookie: { sameSite: 'lax' } } } });
    const { setCookies } = await login(other.agent);
    expect(setCookies).toContainEqual(
      expect.stringMatching(/^coatcheck=\S+; Path=\/; HttpOnly; SameSite=Lax$/),
    );
  });

  it('redeems the code once, with the verifier of the challenge, as the client it is (standards: A1, B3, B21)', async () => {
    const begun = await beginLogin(rig.agent);
    await finishLogin(rig.agent, begun);
    const [tokenRequest, ...more] = rig.provider.requests.filter(({ endpoint }) => endpoint === 'token');
    expect(more).toEqual([]);
    expect(tokenRequest?.authorization).toMatch(/^Basic /);
    expect(tokenRequest?.form).toMatchObject({
      grant_type: 'authorization_code',
      redirect_uri: `${rig.gateway.url}/auth/callback`,
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

  it('shows the browser no token, no verifier and no secret (standards: A3)', async () => {
    await rig.agent.signIn();
    await rig.agent.fetch('/auth/session');
    const received = rig.agent.received(rig.gateway.url);
    const secrets = rig.provider.secrets([
      'access_token',
      'refresh_token',
      'id_token',
      'code_verifier',
      'client_secret',
    ]);
    expect(secrets.length).toBeGreaterThanOrEqual(5);
    expect(secrets.filter((secret) => received.includes(secret))).toEqual([]);
  });

  it('makes a new session id at each login, and ends the session before (standards: E2)', async () => {
    await rig.agent.signIn();
    const former = rig.browser({ like: rig.agent });
    await rig.agent.signIn();
    expect(rig.agent.cookies.get('coatcheck')?.value).not.toBe(former.cookies.get('coatcheck')?.value);
    expect((await rig.agent.fetch('/api/one')).status).toBe(200);
    expect((await former.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
    expect(rig.provider.families.map(({ alive, endedBecause }) => [alive, endedBecause])).toEqual([
      [false, 'revoked'],
      [true, undefined],
    ]);
  });

  it('ends the session that a browser still shows on its way back, even if it is younger than the attempt', async () => {
    const other = await openTestRig({ config: { session: { cookie: { sameSite: 'lax' } } } });
    const tabs = [await beginLogin(other.agent), await beginLogin(other.agent)] as const;
    await finishLogin(other.agent, tabs[0]);
    const former = other.browser({ like: other.agent });
    await finishLogin(other.agent, tabs[1]);
    expect((await other.agent.fetch('/api/one')).status).toBe(200);
    expect((await former.fetch('/api/one')).status).toBe(401);
  });

  it('does not adopt a cookie that was there before (standards: E2)', async () => {
    const attacker = rig.browser();
    await attacker.signIn('/', { loginHint: 'mallory' });
    const planted = attacker.cookies.get('coatcheck')?.value ?? '';
    rig.agent.setCookie(`coatcheck=${planted}; Path=/`);
    await rig.agent.signIn('/', { loginHint: 'alice' });
    expect(rig.agent.cookies.get('coatcheck')?.value).not.toBe(planted);
    expect((await rig.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect((await attacker.fetch('/auth/session')).json()).not.toMatchObject({ subject: 'alice' });
  });

  it('takes access tokens of any size and members it does not know (standards: C16)', async () => {
    rig.provider.patchTokenResponse = (json) => ({
      ...json,
      access_token: 'x'.repeat(16_384),
      future: { a: [1] },
    });
    rig.upstream.respond((_request, response, record) => void response.end(`${record.bearer?.length}`));
    expect((await login(rig.agent)).status).toBe(303);
    // Node reads 16 KiB of header section by default; what a server does beyond is its own matter.
    rig.provider.patchTokenResponse = (json) => ({ ...json, access_token: 'x'.repeat(12_000) });
    expect((await login(rig.agent)).status).toBe(303);
    expect((await rig.agent.fetch('/api/one')).text()).toBe('12000');
  });
});

describe('several logins at once in one browser (standards: C28)', () => {
  it('each end where they began, in whatever order they finish', async () => {
    const tabs: BegunLogin[] = [];
    for (const returnTo of ['/first', '/second', '/third']) {
      tabs.push(await beginLogin(rig.agent, `?returnTo=${returnTo}`));
    }
    const answers = [];
    for (const tab of tabs.toReversed()) answers.push(await finishLogin(rig.agent, tab));
    expect(answers.map((answer) => [answer.status, answer.header('location')])).toEqual([
      [303, '/third'],
      [303, '/second'],
      [303, '/first'],
    ]);
    expect(rig.agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
    expect((await rig.agent.fetch('/api/one')).status).toBe(200);
  });

  it('do not end each other when one fails', async () => {
    const failing = await beginLogin(rig.agent);
    const other = await beginLogin(rig.agent, '?returnTo=/other');
    rig.provider.user = undefined;
    expect((await finishLogin(rig.agent, failing)).status).toBe(400);
    rig.provider.user = 'alice';
    expect((await finishLogin(rig.agent, other)).header('location')).toBe('/other');
  });
});

describe('a callback that does not belong to a login of this browser (standards: B2, E16)', () => {
  it('is refused when its state has been used', async () => {
    const begun = await beginLogin(rig.agent);
    const callback = await authorize(rig.agent, begun);
    expect((await sendCallback(rig.agent, callback)).status).toBe(303);
    const replayed = await sendCallback(rig.agent, callback);
    expect(replayed.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('sign in again'),
    });
    expect(tokenCalls()).toBe(1);
    expect((await rig.agent.fetch('/api/one')).status).toBe(200);
  });

  it("is refused when it is another browser's, and leaves that one's login good", async () => {
    const attacker = await beginLogin(rig.agent, '?login_hint=mallory');
    const callback = await authorize(rig.agent, attacker);
    const victim = rig.browser();
    await beginLogin(victim);
    const answer = await sendCallback(victim, callback);
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('in this browser'),
    });
    expect(victim.cookies.get('coatcheck')).toBeUndefined();
    expect(tokenCalls()).toBe(0);
    expect((await sendCallback(rig.agent, callback)).status).toBe(303);
  });

  it('is refused when its attempt is older than ten minutes', async () => {
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    const header = rig.agent.cookies.header(callback, { crossSite: false, topLevelGet: true });
    rig.advance(600_001);
    // The browser has forgotten the cookie by now; one that sends it all the same fares no better.
    await expectRefused(await sendCallback(rig.agent, callback), /expired/);
    await expectRefused(await rig.agent.get(callback.href, { headers: { cookie: header } }), /expired/);
    expect(tokenCalls()).toBe(0);
  });

  it('is refused when the state of another own attempt was put in it (standards: B7)', async () => {
    const [one, two] = [await beginLogin(rig.agent), await beginLogin(rig.agent)];
    const callback = await authorize(rig.agent, one);
    callback.searchParams.set('state', two.authorizationUrl.searchParams.get('state') ?? '');
    const answer = await sendCallback(rig.agent, callback);
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('invalid_grant'),
    });
    expect(rig.agent.cookies.get('coatcheck')).toBeUndefined();
  });

  it('is refused when one character of its state was changed (standards: B7)', async () => {
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    const state = callback.searchParams.get('state') ?? '';
    callback.searchParams.set('state', `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`);
    const answer = await sendCallback(rig.agent, callback);
    expect(answer.json()).toMatchObject({ code: 'login_failed' });
    expect(tokenCalls()).toBe(0);
  });

  it.each([
    ['changed', (own: string) => own.replace(/.(?=.{100}$)/, (one) => (one === 'A' ? 'B' : 'A'))],
    ['cut off', (own: string) => own.slice(0, -8)],
    ["another attempt's", (_own: string, other: string) => other],
    ["a session's", (_own: string, _other: string, session: string) => session],
    ['nothing', () => ''],
  ])('is refused when the seal of its attempt is %s (standards: B4)', async (_what, forge) => {
    const elsewhere = rig.browser();
    await elsewhere.signIn();
    const other = rig.browser();
    await beginLogin(other);
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    const [own] = rig.agent.cookies.all();
    const [others] = other.cookies.all();
    const session = elsewhere.cookies.get('coatcheck')?.value ?? '';
    const before = tokenCalls();
    const cookie = `${own?.name}=${forge(own?.value ?? '', others?.value ?? '', session)}`;
    const answer = await rig.agent.get(callback.href, { headers: { cookie } });
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('in this browser'),
    });
    expect(tokenCalls()).toBe(before);
  });
});

describe('a callback that is no authorization response (standards: C24, C29)', () => {
  it.each([
    ['bare', '', /no "state"/],
    ['without a state', '?code=x', /no "state"/],
    ['with an empty code alone', '?code=', /no "state"/],
    ['with an empty state', '?code=x&state=', /no "state"/],
    ['with a state in brackets', '?code=x&state[]=y', /no "state"/],
    ['with an unknown state', '?code=x&state=y', /in this browser/],
    ['with tokens in place of a code', '?access_token=x&id_token=y&state=z', /in this browser/],
    ['with a state like a property of objects', '?code=x&state=__proto__', /in this browser/],
    ['very long', `?code=${'x'.repeat(12_000)}&state=y`, /in this browser/],
    ['not UTF-8', '?code=%ff&state=%fe', /in this browser/],
  ])('is refused when it is %s', async (_what, query, reason) => {
    const answer = await request(rig.gateway.url).get(`/auth/callback${query}`).expect(400);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'login_failed',
      reason: expect.stringMatching(reason),
    });
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(tokenCalls()).toBe(0);
  });

  it.each(['state', 'code', 'iss', 'error'])('is refused when it has two of %s', async (name) => {
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    for (const value of ['x', 'x']) callback.searchParams.append(name, value);
    const answer = await sendCallback(rig.agent, callback);
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining(`more than one "${name}"`),
    });
    expect(tokenCalls()).toBe(0);
  });

  it.each([
    [
      'an access token and no code',
      (code: URLSearchParams) => code.append('access_token', 'x'),
      /not asked for/,
    ],
    ['an ID token and no code', (code: URLSearchParams) => code.append('id_token', 'x.y.z'), /not asked for/],
    [
      'a JARM response and no code',
      (code: URLSearchParams) => code.append('response', 'x.y.z'),
      /not asked for/,
    ],
    ['an empty code', (code: URLSearchParams) => code.append('code', ''), /no authorization code/],
  ])('is refused when it has the right state, %s', async (_what, change, reason) => {
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    callback.searchParams.delete('code');
    change(callback.searchParams);
    await expectRefused(await sendCallback(rig.agent, callback), reason);
    expect(tokenCalls()).toBe(0);
  });

  it('is refused when it has an ID token besides its code', async () => {
    const callback = await authorize(rig.agent, await beginLogin(rig.agent));
    callback.searchParams.append('id_token', 'x.y.z');
    await expectRefused(await sendCallback(rig.agent, callback), /not asked for/);
    expect(tokenCalls()).toBe(0);
  });

  it('is too large for the server when it is huge, and the gateway goes on', async () => {
    const head = `Host: 127.0.0.1:${rig.gateway.port}\r\nConnection: close\r\n\r\n`;
    const huge = `GET /auth/callback?state=y&code=${'x'.repeat(100_000)} HTTP/1.1\r\n${head}`;
    expect((await rawRequest(rig.gateway.port, huge)).status).toBe(431);
    expect((await login(rig.agent)).status).toBe(303);
  });

  it('is 405 when it is posted', async () => {
    const answer = await request(rig.gateway.url)
      .post('/auth/callback')
      .type('form')
      .send('code=x&state=y')
      .expect(405);
    expect(answer.headers['allow']).toBe('GET, HEAD');
  });
});
