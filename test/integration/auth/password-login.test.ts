import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import {
  type VendorFixture,
  openVendorFixture,
  postLogin,
} from '../../../testkit/providers/vendor-fixture.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';

const ALICE = { username: 'alice', password: ACCOUNTS['alice'] ?? '' };
let fixture: VendorFixture;

describe('POST /auth/login with a password', () => {
  beforeEach(async () => {
    fixture = await openVendorFixture();
  });
  afterEach(() => fixture.close());
  const loginsAsked = () => fixture.vendor.tokenCalls({ grant: 'password' });

  it('signs in with the right user name and password and responds 204 with the session cookie', async () => {
    const agent = fixture.browser();
    const response = await postLogin(agent);
    expect(response.status).toBe(204);
    expect(response.body).toHaveLength(0);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.setCookies).toEqual([expect.stringMatching(/^coatcheck=.+; HttpOnly; SameSite=Strict$/)]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject: 'alice',
      claims: { sub: 'alice' },
      loginUrl: '/auth/login',
    });
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it.each([
    ['password', { ...ALICE, password: 'wrong' }],
    ['user name', { ...ALICE, username: 'mallory' }],
    ['user name that is an object property name', { username: 'constructor', password: 'x' }],
  ])('responds to a wrong %s with the same 401', async (_what, credentials) => {
    const agent = fixture.browser();
    const response = await postLogin(agent, credentials);
    expect(response.status).toBe(401);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.json()).toMatchObject({
      code: 'credentials_rejected',
      detail: 'The provider does not accept this user name and password.',
      loginUrl: '/auth/login',
    });
    expect(response.setCookies).toEqual([]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('issues a new session cookie and ends the previous session (standards: E2)', async () => {
    const agent = fixture.browser();
    await postLogin(agent);
    const before = fixture.browser();
    for (const { line } of agent.cookies.lines) before.setCookie(line);
    await postLogin(agent, { username: 'bob', password: ACCOUNTS['bob'] });
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'bob' });
    expect((await before.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('does not adopt a session cookie that another user chose (standards: E2, E3)', async () => {
    const agent = fixture.browser();
    agent.setCookie('coatcheck=chosen; Path=/; HttpOnly');
    const [cookie = ''] = (await postLogin(agent)).setCookies;
    expect(cookie).not.toContain('chosen');
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }, 'csrf_rejected'],
    ['a sibling host', { 'sec-fetch-site': 'same-site' }, 'csrf_rejected'],
    ['an unknown origin', { 'sec-fetch-site': undefined, origin: undefined }, 'csrf_rejected'],
    ['another origin', { origin: 'https://evil.example' }, 'origin_rejected'],
  ])(
    'rejects a request from %s without contacting the vendor (standards: A10, A13)',
    async (_whence, headers, code) => {
      const agent = fixture.browser();
      const response = await postLogin(agent, ALICE, headers);
      expect(response.status).toBe(403);
      expect(response.json()).toMatchObject({ code });
      expect(response.setCookies).toEqual([]);
      expect(loginsAsked()).toBe(0);
    },
  );

  it.each([
    ['a form', 'username=alice&password=x', 'application/x-www-form-urlencoded', 400],
    ['JSON with the content type text/plain', JSON.stringify(ALICE), 'text/plain', 400],
    ['truncated JSON', '{"username":"alice","password":"canary-half', 'application/json', 400],
    ['a list', '["alice","canary"]', 'application/json', 400],
    ['an empty body', '', 'application/json', 400],
    ['no password', '{"username":"alice"}', 'application/json', 400],
    [
      'a password that is not a string',
      '{"username":"alice","password":{"$ne":""}}',
      'application/json',
      400,
    ],
    ['an empty password', '{"username":"alice","password":""}', 'application/json', 400],
    [
      'a password that is too long',
      JSON.stringify({ ...ALICE, password: 'x'.repeat(1_025) }),
      'application/json',
      400,
    ],
    ['a body that is too large', `{"username":"${'x'.repeat(20_000)}"}`, 'application/json', 413],
  ])('rejects %s without contacting the vendor and does not echo it', async (_what, body, type, status) => {
    const response = await postLogin(fixture.browser(), body, { 'content-type': type });
    expect(response.status).toBe(status);
    expect(response.json()).toMatchObject({ code: status === 413 ? 'body_too_large' : 'bad_request' });
    expect(response.text()).not.toContain('canary');
    expect(fixture.gateway.logs()).not.toContain('canary-half');
    expect(loginsAsked()).toBe(0);
  });

  it('reads a body that the client sends after 100 Continue', async () => {
    const response = await postLogin(fixture.browser(), ALICE, { expect: '100-continue' });
    expect(response.status).toBe(204);
  });

  it('sends the credentials unchanged without expanding placeholders in them', async () => {
    await postLogin(fixture.browser(), { username: '{password}', password: 'x","admin":"y' });
    const [sent] = fixture.vendor.server.requests;
    expect(JSON.parse(sent?.body ?? '')).toEqual({ username: '{password}', password: 'x","admin":"y' });
  });

  it('responds 405 to a navigation and describes the expected request', async () => {
    const { response: page } = await fixture
      .browser()
      .navigate('/auth/login?returnTo=/inbox', { from: 'page' });
    expect(page.status).toBe(405);
    expect(page.header('allow')).toBe('POST');
    expect(page.header('content-type')).toBe('text/html; charset=utf-8');
    const response = await fixture.browser().get('/auth/login?returnTo=/inbox');
    expect(response.status).toBe(405);
    expect(response.header('allow')).toBe('POST');
    expect(response.json()).toMatchObject({
      code: 'method_not_allowed',
      detail: 'This endpoint accepts POST.',
    });
    expect((await fixture.browser().fetch('/auth/callback?code=x&state=y')).status).toBe(404);
    expect((await fixture.browser().fetch('/auth/decoupled')).status).toBe(404);
  });

  it.each([
    ['is down', async () => fixture.vendor.stop()],
    [
      'fails',
      async () => void (fixture.vendor.server.fault = () => ({ status: 500, body: 'canary-failure' })),
    ],
    [
      'is busy',
      async () =>
        void (fixture.vendor.server.fault = () => ({ status: 429, headers: { 'retry-after': '7' } })),
    ],
  ])('responds 503 when the vendor %s and tries the password at most once', async (how, arrange) => {
    await arrange();
    const agent = fixture.browser();
    const response = await postLogin(agent);
    expect(response.status).toBe(503);
    expect(response.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(response.header('retry-after')).toBe(how === 'is busy' ? '7' : '5');
    expect(response.text()).not.toContain('canary');
    expect(loginsAsked()).toBeLessThanOrEqual(1);
  });

  it('limits the attempts per user name across all its spellings until the minute is over', async () => {
    const spellings = ['alice', 'ALICE', ' Alice ', 'ａｌｉｃｅ'];
    const responses: number[] = [];
    for (let attempt = 0; attempt < 14; attempt += 1) {
      const username = spellings[attempt % spellings.length];
      responses.push((await postLogin(fixture.browser(), { username, password: 'wrong' })).status);
    }
    expect(responses.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(responses.slice(10)).toEqual(Array(4).fill(429));
    expect(loginsAsked()).toBe(10);
    const refused = await postLogin(fixture.browser());
    expect(refused.json()).toMatchObject({ code: 'rate_limited' });
    expect(Number(refused.header('retry-after'))).toBeGreaterThan(0);
    expect((await postLogin(fixture.browser(), { username: 'bob', password: ACCOUNTS['bob'] })).status).toBe(
      204,
    );

    fixture.advance(60_000);
    expect((await postLogin(fixture.browser())).status).toBe(204);
  });
});

describe('POST /auth/login with Redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    await fixture.close();
    await redis.close();
  });

  it('counts attempts per address and per user name across replicas', async () => {
    fixture = await openVendorFixture({
      store: redis.url,
      config: { rateLimit: { attempts: 20, attemptsPerUser: 5 } },
    });
    const browsers = [fixture.browser(), fixture.browser(await fixture.replica())];
    const attempt = async (n: number, username: string) =>
      (await postLogin(browsers[n % 2] ?? fixture.browser(), { username, password: 'wrong' })).status;
    const oneUser: number[] = [];
    for (let n = 0; n < 10; n += 1) oneUser.push(await attempt(n, 'alice'));
    expect(countOccurrences(oneUser)).toEqual({ 401: 5, 429: 5 });
    const manyUsers: number[] = [];
    for (let n = 0; n < 20; n += 1) manyUsers.push(await attempt(n, `user-${n}`));
    expect(countOccurrences(manyUsers)).toEqual({ 401: 10, 429: 10 });
    expect(fixture.vendor.tokenCalls({ grant: 'password' })).toBe(15);
  });

  it('never stores the password in Redis, logs, metrics or responses', async () => {
    fixture = await openVendorFixture({ store: redis.url });
    fixture.vendor.lifeSeconds = 600;
    const agent = fixture.browser();
    await postLogin(agent);
    await agent.fetch('/api/one');
    fixture.advance(600_000);
    await agent.fetch('/api/two');
    await postLogin(agent, { username: 'alice', password: 'canary-password-that-is-wrong' });
    await postLogin(agent, '{"username":"alice","password":"canary-password-cut');
    for (const fault of [
      { status: 500, body: 'no' },
      { status: 200, body: 'canary-password-not-json' },
    ]) {
      fixture.vendor.server.fault = () => fault;
      await postLogin(agent);
    }
    await fixture.vendor.stop();
    await postLogin(agent);
    const metrics = await (await fetch(`${fixture.gateway.adminUrl}/metrics`)).text();
    const places = [fixture.gateway.logs(), await redis.dump(), metrics, agent.received()];
    for (const place of places) {
      expect(place.length).toBeGreaterThan(100);
      expect(place).not.toContain('canary-password');
      for (const password of Object.values(ACCOUNTS)) expect(place).not.toContain(password);
    }
  });
});

describe('the subject of a sign-in with a password', () => {
  const withSubject = { config: { provider: { response: { subject: '/user/id' } } } };
  const spellings = ['alice', 'Alice', 'ALICE ', 'ａｌｉｃｅ'];
  const everybody = Object.fromEntries(spellings.map((name) => [name, 'canary-a']));
  const subjectOf = async (username: string) => {
    const agent = fixture.browser();
    await postLogin(agent, { username, password: 'canary-a' });
    return (await agent.fetch('/auth/session')).json();
  };

  afterEach(() => fixture.close());

  it.each([
    ['has no token', { token: undefined }, 'provider.response.accessToken'],
    ['has no subject', {}, 'provider.response.subject'],
    ['has an empty place of the subject', { user: {} }, 'provider.response.subject'],
    ['has an object as subject', { user: { id: { $oid: '1' } } }, 'provider.response.subject'],
  ])('rejects a vendor response that %s and names the configuration key', async (_what, change, key) => {
    fixture = await openVendorFixture(withSubject);
    fixture.vendor.patch = (response) => ({ ...response, ...change });
    const agent = fixture.browser();
    const response = await postLogin(agent);
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({ code: 'login_failed', reason: expect.stringContaining(key) });
    expect(response.text()).not.toContain('canary');
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('may be a number of the vendor', async () => {
    fixture = await openVendorFixture(withSubject);
    fixture.vendor.patch = (response) => ({ ...response, user: { id: 4711 } });
    const agent = fixture.browser();
    await postLogin(agent);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: '4711' });
  });

  it('is the same for all spellings of a user name when the vendor names none', async () => {
    fixture = await openVendorFixture({}, { accounts: everybody });
    for (const username of spellings)
      expect(await subjectOf(username)).toMatchObject({ authenticated: true, subject: 'alice' });
    const agent = fixture.browser();
    await postLogin(agent, { username: 'Alice', password: 'canary-a' });
    const sessions = (await agent.fetch('/auth/sessions')).json();
    expect(JSON.stringify(sessions).match(/"current"/g)).toHaveLength(spellings.length + 1);
  });

  it('is the unmodified user name with provider.usernameSubject: exact', async () => {
    fixture = await openVendorFixture(
      { config: { provider: { usernameSubject: 'exact' } } },
      { accounts: everybody },
    );
    for (const username of spellings) expect(await subjectOf(username)).toMatchObject({ subject: username });
  });
});
