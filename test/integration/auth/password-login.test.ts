import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis-server.ts';
import { ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import {
  type VendorFixture,
  openVendorFixture,
  postLogin,
} from '../../../testkit/providers/vendor-fixture.ts';
import { countOccurrences } from '../../../testkit/count-occurrences.ts';

const ALICE = { username: 'alice', password: ACCOUNTS['alice'] ?? '' };
let stand: VendorFixture;

describe('POST /auth/login with a password', () => {
  beforeEach(async () => {
    stand = await openVendorFixture();
  });
  afterEach(() => stand.close());
  const loginsAsked = () => stand.vendor.tokenCalls({ grant: 'password' });

  it('signs in with the right user name and password and responds 204 with the session cookie', async () => {
    const agent = stand.browser();
    const answer = await postLogin(agent);
    expect(answer.status).toBe(204);
    expect(answer.body).toHaveLength(0);
    expect(answer.header('cache-control')).toBe('no-store');
    expect(answer.setCookies).toEqual([expect.stringMatching(/^coatcheck=.+; HttpOnly; SameSite=Strict$/)]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      subject: 'user-alice',
      claims: { sub: 'user-alice' },
      loginUrl: '/auth/login',
    });
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it.each([
    ['password', { ...ALICE, password: 'wrong' }],
    ['user name', { ...ALICE, username: 'mallory' }],
    ['user name that is an object property name', { username: 'constructor', password: 'x' }],
  ])('responds to a wrong %s with the same 401', async (_what, credentials) => {
    const agent = stand.browser();
    const answer = await postLogin(agent, credentials);
    expect(answer.status).toBe(401);
    expect(answer.header('content-type')).toBe('application/problem+json');
    expect(answer.json()).toMatchObject({
      code: 'credentials_rejected',
      detail: 'The provider does not accept this user name and password.',
      loginUrl: '/auth/login',
    });
    expect(answer.setCookies).toEqual([]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('issues a new session cookie and ends the previous session (standards: E2)', async () => {
    const agent = stand.browser();
    await postLogin(agent);
    const before = stand.browser();
    for (const { line } of agent.cookies.lines) before.setCookie(line);
    await postLogin(agent, { username: 'bob', password: ACCOUNTS['bob'] });
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'user-bob' });
    expect((await before.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('does not adopt a session cookie chosen by somebody else (standards: E2, E3)', async () => {
    const agent = stand.browser();
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
      const agent = stand.browser();
      const answer = await postLogin(agent, ALICE, headers);
      expect(answer.status).toBe(403);
      expect(answer.json()).toMatchObject({ code });
      expect(answer.setCookies).toEqual([]);
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
    const answer = await postLogin(stand.browser(), body, { 'content-type': type });
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({ code: status === 413 ? 'body_too_large' : 'bad_request' });
    expect(answer.text()).not.toContain('canary');
    expect(stand.gateway.logs()).not.toContain('canary-half');
    expect(loginsAsked()).toBe(0);
  });

  it('reads a body that the client sends after 100 Continue', async () => {
    const answer = await postLogin(stand.browser(), ALICE, { expect: '100-continue' });
    expect(answer.status).toBe(204);
  });

  it('sends the credentials unchanged without expanding placeholders in them', async () => {
    await postLogin(stand.browser(), { username: '{password}', password: 'x","admin":"y' });
    const [sent] = stand.vendor.server.requests;
    expect(JSON.parse(sent?.body ?? '')).toEqual({ username: '{password}', password: 'x","admin":"y' });
  });

  it('responds 405 to a navigation and describes the expected request', async () => {
    const { response } = await stand.browser().navigate('/auth/login?returnTo=/inbox', { from: 'page' });
    expect(response.status).toBe(405);
    expect(response.header('allow')).toBe('POST');
    expect(response.json()).toMatchObject({
      code: 'method_not_allowed',
      detail: 'This endpoint accepts POST.',
    });
    expect((await stand.browser().fetch('/auth/callback?code=x&state=y')).status).toBe(404);
    expect((await stand.browser().fetch('/auth/decoupled')).status).toBe(404);
  });

  it.each([
    ['is down', async () => stand.vendor.stop()],
    ['fails', async () => void (stand.vendor.server.fault = () => ({ status: 500, body: 'canary-failure' }))],
    [
      'is busy',
      async () => void (stand.vendor.server.fault = () => ({ status: 429, headers: { 'retry-after': '7' } })),
    ],
  ])('responds 503 when the vendor %s and tries the password at most once', async (how, arrange) => {
    await arrange();
    const agent = stand.browser();
    const answer = await postLogin(agent);
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(answer.header('retry-after')).toBe(how === 'is busy' ? '7' : '5');
    expect(answer.text()).not.toContain('canary');
    expect(loginsAsked()).toBeLessThanOrEqual(1);
  });

  it.each([
    ['has no token', { token: undefined }, 'provider.response.accessToken'],
    ['has no subject', { user: {} }, 'provider.response.subject'],
    ['has an object as subject', { user: { id: { $oid: '1' } } }, 'provider.response.subject'],
  ])('rejects a vendor response that %s and names the configuration key', async (_what, change, key) => {
    stand.vendor.patch = (answer) => ({ ...answer, ...change });
    const agent = stand.browser();
    const answer = await postLogin(agent);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'login_failed', reason: expect.stringContaining(key) });
    expect(answer.text()).not.toContain('canary');
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('accepts a numeric subject', async () => {
    stand.vendor.patch = (answer) => ({ ...answer, user: { id: 4711 } });
    const agent = stand.browser();
    await postLogin(agent);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: '4711' });
  });

  it('limits the attempts per user name across all its spellings until the minute is over', async () => {
    const spellings = ['alice', 'ALICE', ' Alice ', 'ａｌｉｃｅ'];
    const answers: number[] = [];
    for (let attempt = 0; attempt < 14; attempt += 1) {
      const username = spellings[attempt % spellings.length];
      answers.push((await postLogin(stand.browser(), { username, password: 'wrong' })).status);
    }
    expect(answers.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(answers.slice(10)).toEqual(Array(4).fill(429));
    expect(loginsAsked()).toBe(10);
    const refused = await postLogin(stand.browser());
    expect(refused.json()).toMatchObject({ code: 'rate_limited' });
    expect(Number(refused.header('retry-after'))).toBeGreaterThan(0);
    expect((await postLogin(stand.browser(), { username: 'bob', password: ACCOUNTS['bob'] })).status).toBe(
      204,
    );

    stand.advance(60_000);
    expect((await postLogin(stand.browser())).status).toBe(204);
  });
});

describe('POST /auth/login with Redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    await stand.close();
    await redis.close();
  });

  it('counts attempts per address and per user name across replicas', async () => {
    stand = await openVendorFixture({
      store: redis.url,
      config: { rateLimit: { attempts: 20, attemptsPerUser: 5 } },
    });
    const browsers = [stand.browser(), stand.browser(await stand.replica())];
    const attempt = async (n: number, username: string) =>
      (await postLogin(browsers[n % 2] ?? stand.browser(), { username, password: 'wrong' })).status;
    const oneUser: number[] = [];
    for (let n = 0; n < 10; n += 1) oneUser.push(await attempt(n, 'alice'));
    expect(countOccurrences(oneUser)).toEqual({ 401: 5, 429: 5 });
    const manyUsers: number[] = [];
    for (let n = 0; n < 20; n += 1) manyUsers.push(await attempt(n, `user-${n}`));
    expect(countOccurrences(manyUsers)).toEqual({ 401: 10, 429: 10 });
    expect(stand.vendor.tokenCalls({ grant: 'password' })).toBe(15);
  });

  it('never stores the password in Redis, logs, metrics or responses', async () => {
    stand = await openVendorFixture({ store: redis.url });
    stand.vendor.lifeSeconds = 600;
    const agent = stand.browser();
    await postLogin(agent);
    await agent.fetch('/api/one');
    stand.advance(600_000);
    await agent.fetch('/api/two');
    await postLogin(agent, { username: 'alice', password: 'canary-password-that-is-wrong' });
    await postLogin(agent, '{"username":"alice","password":"canary-password-cut');
    for (const fault of [
      { status: 500, body: 'no' },
      { status: 200, body: 'canary-password-not-json' },
    ]) {
      stand.vendor.server.fault = () => fault;
      await postLogin(agent);
    }
    await stand.vendor.stop();
    await postLogin(agent);
    const metrics = await (await fetch(`${stand.gateway.adminUrl}/metrics`)).text();
    const places = [stand.gateway.logs(), await redis.dump(), metrics, agent.received()];
    for (const place of places) {
      expect(place.length).toBeGreaterThan(100);
      expect(place).not.toContain('canary-password');
      for (const password of Object.values(ACCOUNTS)) expect(place).not.toContain(password);
    }
  });
});
