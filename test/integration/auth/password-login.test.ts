import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis-server.ts';
import { ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import { type VendorStand, openVendorStand, postLogin } from '../../../testkit/providers/vendor-stand.ts';
import { tallyOf } from '../../../testkit/tally.ts';

const ALICE = { username: 'alice', password: ACCOUNTS['alice'] ?? '' };
let stand: VendorStand;

describe('POST /auth/login', () => {
  beforeEach(async () => {
    stand = await openVendorStand();
  });
  afterEach(() => stand.close());
  const loginsAsked = () => stand.vendor.tokenCalls({ grant: 'password' });

  it('signs in with the right user name and password: 204 and the cookie', async () => {
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
    ['spelling of a member of every object', { username: 'constructor', password: 'x' }],
  ])('answers a wrong %s with 401 and the same words', async (_what, credentials) => {
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

  it('puts a new ticket in place of the old one, and ends the old session (standards: E2)', async () => {
    const agent = stand.browser();
    await postLogin(agent);
    const before = stand.browser();
    for (const { line } of agent.cookies.lines) before.setCookie(line);
    await postLogin(agent, { username: 'bob', password: ACCOUNTS['bob'] });
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'user-bob' });
    expect((await before.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('takes no ticket that somebody else has chosen (standards: E2, E3)', async () => {
    const agent = stand.browser();
    agent.setCookie('coatcheck=chosen; Path=/; HttpOnly');
    const [cookie = ''] = (await postLogin(agent)).setCookies;
    expect(cookie).not.toContain('chosen');
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }, 'csrf_rejected'],
    ['a sibling host', { 'sec-fetch-site': 'same-site' }, 'csrf_rejected'],
    ['nobody knows where', { 'sec-fetch-site': undefined, origin: undefined }, 'csrf_rejected'],
    ['another origin', { origin: 'https://evil.example' }, 'origin_rejected'],
  ])('refuses what comes from %s, and asks nobody (standards: A10, A13)', async (_whence, headers, code) => {
    const agent = stand.browser();
    const answer = await postLogin(agent, ALICE, headers);
    expect(answer.status).toBe(403);
    expect(answer.json()).toMatchObject({ code });
    expect(answer.setCookies).toEqual([]);
    expect(loginsAsked()).toBe(0);
  });

  it.each([
    ['a form', 'username=alice&password=x', 'application/x-www-form-urlencoded', 400],
    ['JSON that says it is text', JSON.stringify(ALICE), 'text/plain', 400],
    ['half a JSON object', '{"username":"alice","password":"canary-half', 'application/json', 400],
    ['a list', '["alice","canary"]', 'application/json', 400],
    ['nothing', '', 'application/json', 400],
    ['no password', '{"username":"alice"}', 'application/json', 400],
    ['a password that is no text', '{"username":"alice","password":{"$ne":""}}', 'application/json', 400],
    ['an empty password', '{"username":"alice","password":""}', 'application/json', 400],
    [
      'a password without end',
      JSON.stringify({ ...ALICE, password: 'x'.repeat(1_025) }),
      'application/json',
      400,
    ],
    ['a body without end', `{"username":"${'x'.repeat(20_000)}"}`, 'application/json', 413],
  ])('refuses %s without asking the vendor, and repeats nothing of it', async (_what, body, type, status) => {
    const answer = await postLogin(stand.browser(), body, { 'content-type': type });
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({ code: status === 413 ? 'body_too_large' : 'bad_request' });
    expect(answer.text()).not.toContain('canary');
    expect(stand.gateway.logs()).not.toContain('canary-half');
    expect(loginsAsked()).toBe(0);
  });

  it('reads a body that the client sends when it is asked to', async () => {
    const answer = await postLogin(stand.browser(), ALICE, { expect: '100-continue' });
    expect(answer.status).toBe(204);
  });

  it('fills in what was typed and nothing else: no placeholder in it is one', async () => {
    await postLogin(stand.browser(), { username: '{password}', password: 'x","admin":"y' });
    const [sent] = stand.vendor.server.requests;
    expect(JSON.parse(sent?.body ?? '')).toEqual({ username: '{password}', password: 'x","admin":"y' });
  });

  it('answers 405 to a navigation, and says what it takes', async () => {
    const { response } = await stand.browser().navigate('/auth/login?returnTo=/inbox', { from: 'page' });
    expect(response.status).toBe(405);
    expect(response.header('allow')).toBe('POST');
    expect(response.json()).toMatchObject({
      code: 'method_not_allowed',
      detail: 'This endpoint takes POST.',
    });
    expect((await stand.browser().fetch('/auth/callback?code=x&state=y')).status).toBe(404);
    expect((await stand.browser().fetch('/auth/decoupled')).status).toBe(404);
  });

  it.each([
    ['is away', async () => stand.vendor.stop()],
    ['fails', async () => void (stand.vendor.server.fault = () => ({ status: 500, body: 'canary-failure' }))],
    [
      'is busy',
      async () => void (stand.vendor.server.fault = () => ({ status: 429, headers: { 'retry-after': '7' } })),
    ],
  ])('answers 503 when the vendor %s, and tries no password twice', async (how, arrange) => {
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
    ['has no token where it should be', { token: undefined }, 'provider.response.accessToken'],
    ['names nobody', { user: {} }, 'provider.response.subject'],
    ['names an object', { user: { id: { $oid: '1' } } }, 'provider.response.subject'],
  ])('refuses an answer that %s, and names the key to look at', async (_what, change, key) => {
    stand.vendor.patch = (answer) => ({ ...answer, ...change });
    const agent = stand.browser();
    const answer = await postLogin(agent);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'login_failed', reason: expect.stringContaining(key) });
    expect(answer.text()).not.toContain('canary');
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('knows a person by a number, too', async () => {
    stand.vendor.patch = (answer) => ({ ...answer, user: { id: 4711 } });
    const agent = stand.browser();
    await postLogin(agent);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: '4711' });
  });

  it('tries one user name so often, however it is written, and then nobody can for a while', async () => {
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

describe('POST /auth/login, on Redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    await stand.close();
    await redis.close();
  });

  it('counts attempts by address and by user name over all replicas', async () => {
    stand = await openVendorStand({
      store: redis.url,
      config: { rateLimit: { attempts: 20, attemptsPerUser: 5 } },
    });
    const browsers = [stand.browser(), stand.browser(await stand.replica())];
    const attempt = async (n: number, username: string) =>
      (await postLogin(browsers[n % 2] ?? stand.browser(), { username, password: 'wrong' })).status;
    const oneUser: number[] = [];
    for (let n = 0; n < 10; n += 1) oneUser.push(await attempt(n, 'alice'));
    expect(tallyOf(oneUser)).toEqual({ 401: 5, 429: 5 });
    const manyUsers: number[] = [];
    for (let n = 0; n < 20; n += 1) manyUsers.push(await attempt(n, `user-${n}`));
    expect(tallyOf(manyUsers)).toEqual({ 401: 10, 429: 10 });
    expect(stand.vendor.tokenCalls({ grant: 'password' })).toBe(15);
  });

  it('keeps the password nowhere: not in Redis, not in a log at any level, not in a metric, not in an answer', async () => {
    stand = await openVendorStand({ store: redis.url });
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
