import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVendorFixture, postLogin } from '../../../testkit/providers/vendor-fixture.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { login } from '../../../testkit/gateway/login-steps.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
const KEY = 'kT3vB9xQ7mZ2pL8wR5sN1dF6hJ4gC0aY';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

type Line = Record<string, unknown>;
const auditLines = (logs: string): Line[] =>
  logs
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line['audit'] === true);
const open = (config: Record<string, unknown> = {}, options: TestGatewayOptions = {}) =>
  openTestGatewayForTest({ store: redis.url, ...options, config: { admin: { token: TOKEN }, ...config } });
const linesOf = ({ gateway }: TestGateway) => auditLines(gateway.logs());
const eventsOf = (testGateway: TestGateway) => linesOf(testGateway).map(({ event }) => event);
const idOf = async ({ agent }: TestGateway) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;
const admin = ({ gateway }: TestGateway, method: string, path: string, token = TOKEN) =>
  fetch(`${gateway.adminUrl}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
const from = { requestId: expect.stringMatching(/^[\w-]{36}$/) as unknown, clientAddress: '127.0.0.1' };

describe('the audit', () => {
  it('records a sign-in and a sign-out with the session, the request and the address', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    const session = await idOf(testGateway);
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const lines = linesOf(testGateway);
    expect(lines.map(({ event }) => event)).toEqual(['sign_in', 'session_ended', 'sign_out']);
    const [signIn, ended, signOut] = lines;
    expect(signIn).toMatchObject({ session, ...from, issuer: testGateway.provider.issuer });
    expect(ended).toMatchObject({ session, by: 'person', reason: 'logout', subject: signIn?.['subject'] });
    expect(signOut).toMatchObject({ session, ...from, subject: signIn?.['subject'] });
  });

  it('writes its lines whatever the log level is, and none when it is off', async () => {
    const quiet = await open({ log: { level: 'fatal' } });
    await quiet.agent.signIn();
    expect(quiet.gateway.logs()).not.toContain('"request"');
    expect(eventsOf(quiet)).toEqual(['sign_in']);
    const off = await open({ audit: { destination: 'off' } });
    await off.agent.signIn();
    expect(eventsOf(off)).toEqual([]);
    await off.gateway.reload({ audit: { destination: 'log' } });
    await off.agent.fetch('/auth/logout', { method: 'POST' });
    expect(eventsOf(off)).toEqual(['session_ended', 'sign_out']);
  });

  it('records a refused sign-in with a code and no word of the provider', async () => {
    const testGateway = await open();
    testGateway.provider.patchAuthorizationResponse = ({ code: _code, ...rest }) => ({
      ...rest,
      error: 'access_denied',
      error_description: 'words-of-the-provider',
    });
    await login(testGateway.agent);
    expect(linesOf(testGateway)).toEqual([
      expect.objectContaining({ event: 'sign_in_refused', reason: 'access_denied', ...from }),
    ]);
    expect(JSON.stringify(linesOf(testGateway))).not.toContain('words-of-the-provider');
  });

  it('records a wrong password without the user name', async () => {
    const fixture = await openVendorFixture({ store: redis.url });
    try {
      await postLogin(fixture.browser(), { username: 'alice-canary', password: 'wrong' });
      const lines = auditLines(fixture.gateway.logs());
      expect(lines).toEqual([
        expect.objectContaining({ event: 'sign_in_refused', reason: 'credentials_rejected', ...from }),
      ]);
      expect(JSON.stringify(lines)).not.toContain('alice-canary');
    } finally {
      await fixture.close();
    }
  });

  it('records who ended a session: the user elsewhere, a limit, the provider', async () => {
    const testGateway = await open({ session: { maxPerUser: 1 } });
    await testGateway.agent.signIn();
    await testGateway.browser().signIn();
    const endings = () => linesOf(testGateway).filter(({ event }) => event === 'session_ended');
    expect(endings()).toEqual([expect.objectContaining({ by: 'limit', reason: 'limit' })]);

    const second = await open();
    const other = second.browser();
    await Promise.all([second.agent.signIn(), other.signIn()]);
    await other.fetch('/auth/sessions', { method: 'DELETE', headers: { 'x-csrf': '1' } });
    expect(linesOf(second).at(-1)).toMatchObject({ by: 'person', reason: 'ended_elsewhere' });

    for (const family of second.provider.families) family.alive = false;
    await other.fetch('/api/one');
    const [rejected, ended] = linesOf(second).slice(-2);
    expect(rejected).toMatchObject({ event: 'refresh_rejected', result: 'session_ended' });
    expect(ended).toMatchObject({ event: 'session_ended', by: 'provider', reason: 'refresh_rejected' });
  });

  it('records admin calls with the actor, the address and what they are about', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    const session = await idOf(testGateway);
    const [signIn] = linesOf(testGateway);
    await admin(testGateway, 'GET', '/sessions?subject=alice');
    await admin(testGateway, 'DELETE', `/sessions?sessionId=${session}`);
    await admin(testGateway, 'GET', '/sessions?subject=text-of-a-stranger', `${TOKEN}x`);
    await admin(testGateway, 'POST', '/sessions/revoke-all');
    await fetch(`${testGateway.gateway.adminUrl}/livez`);
    const calls = linesOf(testGateway).filter(({ event }) => event === 'admin_call');
    const actor = expect.stringMatching(/^admin-token:[\w-]{8}$/) as unknown;
    expect(calls).toEqual([
      expect.objectContaining({ method: 'GET', path: '/sessions', status: 200, actor, ...from }),
      expect.objectContaining({ method: 'DELETE', status: 200, session, actor, ...from }),
      expect.objectContaining({ method: 'GET', status: 401, actor: 'unauthorized', ...from }),
      expect.objectContaining({ method: 'POST', path: '/sessions/revoke-all', status: 200, actor }),
    ]);
    expect(calls[0]).toMatchObject({ subject: signIn?.['subject'] });
    expect(linesOf(testGateway)).toContainEqual(
      expect.objectContaining({ event: 'session_ended', session, by: 'operator', reason: 'admin' }),
    );
    const text = JSON.stringify(linesOf(testGateway));
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain('text-of-a-stranger');
  });

  it('records whether a step-up met its requirement', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    const before = await idOf(testGateway);
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
    const stepUp = async () => {
      const { loginUrl } = (await testGateway.agent.fetch('/api/one')).json() as { loginUrl: string };
      await testGateway.agent.navigate(`${loginUrl}&returnTo=/page`, { from: 'page' });
    };
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: 'silver' });
    await stepUp();
    expect(linesOf(testGateway).at(-1)).toMatchObject({ event: 'step_up_unmet', ...from });
    testGateway.provider.patchIdToken = undefined;
    await stepUp();
    const met = linesOf(testGateway).find(({ event }) => event === 'step_up_met');
    expect(met).toMatchObject({ formerSession: before, session: await idOf(testGateway), ...from });
  });
});

describe('the subjects of the audit', () => {
  const signInOf = async (testGateway: TestGateway, loginHint = 'alice') => {
    await testGateway.browser().signIn('/', { loginHint });
    return linesOf(testGateway).findLast(({ event }) => event === 'sign_in') ?? {};
  };

  it('are hashes by a key, the same in every replica and different for each user', async () => {
    const testGateway = await open();
    const replica = await testGateway.replica();
    const { subject } = await signInOf(testGateway);
    expect(subject).toMatch(/^[\w-]{22}$/);
    expect((await signInOf(testGateway, 'bob'))['subject']).not.toBe(subject);
    await testGateway.browser({ at: replica }).signIn('/', { loginHint: 'alice' });
    expect(auditLines(replica.logs()).map((line) => line['subject'])).toEqual([subject]);
    expect(testGateway.gateway.logs()).not.toContain('"alice"');
  });

  it('are linked across a rotation of the secrets while both are configured', async () => {
    const testGateway = await open();
    const before = await signInOf(testGateway);
    const secrets = [KEY, ...testGateway.gateway.config.session.secrets];
    await testGateway.gateway.reload({ session: { secrets } });
    const during = await signInOf(testGateway);
    expect(during['formerSubjects']).toEqual([before['subject']]);
    expect(during['subject']).not.toBe(before['subject']);
    await testGateway.gateway.reload({ session: { secrets: [KEY] } });
    expect((await signInOf(testGateway))['subject']).toBe(during['subject']);
  });

  it('stay the same across a rotation with a key of their own', async () => {
    const audit = { key: KEY };
    const testGateway = await open({ audit });
    const before = await signInOf(testGateway);
    await testGateway.gateway.reload({ audit, session: { secrets: [`${KEY}2`] } });
    const after = await signInOf(testGateway);
    expect(after['subject']).toBe(before['subject']);
    expect(after).not.toHaveProperty('formerSubjects');
  });

  it('are plain if the configuration says so', async () => {
    const testGateway = await open({ audit: { subjects: 'plain' } });
    expect(await signInOf(testGateway)).toMatchObject({ subject: 'alice' });
  });
});
