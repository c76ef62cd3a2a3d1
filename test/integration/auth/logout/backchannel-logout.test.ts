import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { beginLogin, finishLogin } from '../../../../testkit/gateway/login-steps.ts';
import {
  LOGOUT_EVENT,
  logoutClaims,
  logoutToken,
  postLogoutToken,
} from '../../../../testkit/secrets/logout-token.ts';
import { GATEWAY_NAME, type RedisServer, startRedis } from '../../../../testkit/redis/redis-server.ts';
import { openTestGatewayForTest } from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import {
  type TestGateway,
  type TestGatewayOptions,
  openTestGateway,
} from '../../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../../testkit/user-agent/user-agent.ts';
import { createKey } from '../../relying-party/signing.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
let testGateway: TestGateway;
/** The provider, as seen by each of two gateways on one Redis. */
let first: UserAgent;
let second: UserAgent;
/** Users of one test only. */
let alice: string;
let bob: string;
let tests = 0;

beforeAll(async () => {
  redis = await startRedis();
  testGateway = await openTestGateway({ store: redis.url });
  first = testGateway.browser();
  second = testGateway.browser({ at: await testGateway.replica() });
});

beforeEach(() => {
  tests += 1;
  alice = `alice-${tests}`;
  bob = `bob-${tests}`;
});

afterEach(async () => {
  testGateway.provider.faults.clear();
  await redis.command('FLUSHALL');
});

afterAll(async () => {
  await testGateway.close();
  await redis.close();
});

/** Opens an additional test gateway for the current test. */
const openOther = (options: TestGatewayOptions = {}) =>
  openTestGatewayForTest({ store: redis.url, ...options });

/** A browser of a signed-in user. */
async function signedIn(name = alice, from = testGateway): Promise<UserAgent> {
  const agent = from.browser();
  await agent.signIn('/', { loginHint: name });
  return agent;
}

/** The token families of a user at the provider, by sign-in. */
const familiesOf = (name: string, { provider } = testGateway) =>
  provider.families.filter(({ grant }) => grant.subject === name);
const sidOf = (name: string, from = testGateway) => familiesOf(name, from).at(-1)?.grant.sid ?? '';
const tokenFor = (about: { sub?: string; sid?: string }) => logoutToken(testGateway.provider, about);
/** A time before every fetch of the JWKS, whatever the tolerance for clocks. */
const aMinuteAgo = () => Math.floor(Date.now() / 1000) - 61;
const statusOf = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const records = async () => (await redis.command('KEYS', 'coatcheck:session:*')) as string[];
const revoked = () =>
  testGateway.provider.requests
    .filter(({ endpoint }) => endpoint === 'revoke')
    .map(({ form }) => form?.['token']);

describe('a valid logout token (rp-backchannel-rpinitlogout)', () => {
  it('with a sid ends only the session with that sid (standards: D17, D18)', async () => {
    const phone = await signedIn();
    const sid = sidOf(alice);
    const laptop = await signedIn();
    const response = await postLogoutToken(first, await tokenFor({ sub: alice, sid }));
    expect(response.status).toBe(200);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.setCookies).toEqual([]);
    expect(response.text()).toBe('');
    expect((await phone.fetch('/api/one')).json()).toMatchObject({ status: 401, code: 'session_expired' });
    expect(await statusOf(laptop)).toBe(200);
    await vi.waitFor(() => expect(familiesOf(alice)[0]).toMatchObject({ endedBecause: 'revoked' }), PATIENCE);
    expect(familiesOf(alice)[1]).toMatchObject({ alive: true });
  });

  it('with only a sub ends every session of that user on every replica and no other session (standards: D17)', async () => {
    const mine = await Promise.all([signedIn(), signedIn(), signedIn()]);
    const others = await signedIn(bob);
    const elsewhere = mine.map((agent) => testGateway.browser({ like: agent, at: testGateway.gateway }));
    for (const agent of elsewhere) expect(await statusOf(agent)).toBe(200);
    expect((await postLogoutToken(second, await tokenFor({ sub: alice }))).status).toBe(200);
    for (const agent of [...mine, ...elsewhere]) {
      await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
    }
    expect(await statusOf(others)).toBe(200);
    expect(await records()).toHaveLength(1);
  });

  it('with only a sid needs no sub (standards: D12)', async () => {
    const ended = async () => {
      const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
      return Number(/ended_total\{reason="backchannel_logout"\} (\d+)/.exec(metrics)?.[1] ?? 0);
    };
    const before = await ended();
    const agent = await signedIn();
    expect((await postLogoutToken(first, await tokenFor({ sid: sidOf(alice) }))).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
    expect(await ended()).toBe(before + 1);
  });

  it('whose sid belongs to another user than its sub ends nothing', async () => {
    const agent = await signedIn(bob);
    await postLogoutToken(first, await tokenFor({ sub: alice, sid: sidOf(bob) }));
    expect(await statusOf(agent)).toBe(200);
  });

  it('without a matching session responds 200 (standards: D18)', async () => {
    expect((await postLogoutToken(first, await tokenFor({ sub: 'nobody' }))).status).toBe(200);
    expect((await postLogoutToken(first, await tokenFor({ sid: 'none' }))).status).toBe(200);
  });

  it('is accepted without a cookie and from any origin, and the cookie in the request has no effect (standards: D21)', async () => {
    const agent = await signedIn();
    const body = new URLSearchParams({
      logout_token: await tokenFor({ sid: sidOf(alice) }),
      other: 'parameter',
    }).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      origin: 'https://login.example.test',
      'sec-fetch-site': 'cross-site',
    };
    const others = await signedIn(bob);
    expect((await others.post('/auth/backchannel-logout', { headers, body })).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
    expect(await statusOf(others)).toBe(200);
  });

  it('closes the WebSockets of the session on another replica (standards: D19)', async () => {
    const agent = await signedIn();
    const socket = await agent.websocket('/socket/live');
    socket.send('hello');
    expect(await socket.next()).toBe('hello');
    expect((await postLogoutToken(second, await tokenFor({ sid: sidOf(alice) }))).status).toBe(200);
    expect((await socket.closed).code).toBe(1008);
    await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
  });

  it('signed with a newly published key is accepted (standards: C17)', async () => {
    const agent = await signedIn();
    await postLogoutToken(first, await tokenFor({ sub: 'nobody' }));
    await testGateway.provider.swapKeys();
    expect((await postLogoutToken(first, await tokenFor({ sid: sidOf(alice) }))).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
  });
});

describe('an invalid logout token or request ends no session', () => {
  const post = (token: string) => postLogoutToken(first, token);
  const claims = (patch: JWTPayload = {}) => ({
    ...logoutClaims(testGateway.provider, { sub: alice, sid: sidOf(alice) }),
    ...patch,
  });
  const signed = (patch: JWTPayload, typ = 'logout+jwt') => testGateway.provider.sign(claims(patch), typ);
  const seconds = () => Math.floor(Date.now() / 1000);
  const header = (alg: string) => ({ alg, typ: 'logout+jwt' });
  const byHmac = (secret: string) =>
    new SignJWT(claims()).setProtectedHeader(header('HS256')).sign(new TextEncoder().encode(secret));

  it.each<[string, () => Promise<string> | string]>([
    ['without a signature (alg-none; D10, CVE-2026-18569)', () => new UnsecuredJWT(claims()).encode()],
    [
      'signed by HMAC with the client secret (wrong-alg; D10)',
      () => byHmac(testGateway.provider.client.secret),
    ],
    ['with a modified signature (D10)', async () => (await signed({})).replace(/.{20}$/, 'A'.repeat(20))],
    ['from another issuer (wrong-iss; D11)', () => signed({ iss: `${testGateway.provider.issuer}/` })],
    ['for another client (wrong-aud; D11)', () => signed({ aud: 'other' })],
    ['with an additional audience (D11)', () => signed({ aud: ['web', 'other'] })],
    ['that has expired (D11)', () => signed({ iat: seconds() - 300, exp: seconds() - 90 })],
    ['issued in the future (D11)', () => signed({ iat: seconds() + 86_400, exp: seconds() + 90_000 })],
    ['without events (no-event; D13)', () => signed({ events: undefined })],
    ['with another event (wrong-event; D13)', () => signed({ events: { other: {} } })],
    ['with a list of events (D13)', () => signed({ events: [LOGOUT_EVENT] })],
    ['with a nonce (with-nonce; D14)', () => signed({ nonce: 'n' })],
    ['with neither sub nor sid (D12)', () => signed({ sub: undefined as never, sid: undefined })],
    ['without a jti (D16)', () => signed({ jti: undefined as never })],
    ['of the security event type (D15)', () => signed({}, 'secevent+jwt')],
    ['of the access token type (D15)', () => signed({}, 'at+jwt')],
    ['that is an ID token (D14)', () => testGateway.provider.secrets(['id_token']).at(-1) ?? ''],
    [
      'that is an access token',
      () => testGateway.provider.secrets(['access_token']).findLast((token) => token.includes('.')) ?? '',
    ],
    ['that is empty', () => ''],
    ['that is malformed', () => 'x.y.z'],
  ])('responds 400 for a logout token %s', async (_what, make) => {
    const agent = await signedIn();
    const response = await post(await make());
    expect(response.status).toBe(400);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.json()).toMatchObject({ code: 'bad_request' });
    expect(await statusOf(agent)).toBe(200);
    expect(testGateway.gateway.logs()).toContain('logout token rejected');
    expect((await post(await signed({}))).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
  });

  it.each([
    ['GET', 405, {}, ''],
    ['DELETE', 405, {}, ''],
    ['POST', 400, { 'content-type': 'application/json' }, '{"logout_token":"x"}'],
    ['POST', 400, {}, ''],
    ['POST', 400, { 'content-type': 'application/x-www-form-urlencoded' }, ''],
    ['POST', 400, { 'content-type': 'application/x-www-form-urlencoded' }, 'logout_token=a&logout_token=b'],
    ['POST', 413, { 'content-type': 'application/x-www-form-urlencoded' }, 'x'.repeat(1_000_000)],
  ])('responds to %s with %i, given %o (standards: D9, D21)', async (method, status, headers, body) => {
    const response = await first.request('/auth/backchannel-logout', { method, headers, body });
    expect(response.status).toBe(status);
    expect(response.header('allow')).toBe(status === 405 ? 'POST' : undefined);
    expect(response.header('cache-control')).toBe('no-store');
  });

  it('a flood of tokens with unknown keys causes few JWKS fetches and blocks no login (standards: C17, D21)', async () => {
    const { agent, provider } = await openOther();
    const reads = () => provider.requests.filter(({ endpoint }) => endpoint === 'jwks').length;
    const [, payload, signature] = (await logoutToken(provider, { sub: 'alice', iat: aMinuteAgo() })).split(
      '.',
    );
    const junk = Array.from({ length: 300 }, (_, at) => {
      const unknown = JSON.stringify({ alg: 'RS256', typ: 'logout+jwt', kid: `unknown-${at}` });
      return `${Buffer.from(unknown).toString('base64url')}.${payload}.${signature}`;
    });
    const responses = await Promise.all(junk.map((token) => postLogoutToken(agent, token)));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([400]));
    expect(reads()).toBeLessThanOrEqual(12);
    // The flood has not used up the fetches that a login needs.
    await agent.signIn();
    await provider.swapKeys();
    await agent.signIn();
  });

  it('a flood of forged tokens is logged once a second with the number of the others, and the metrics count each', async () => {
    const { agent, provider, gateway, advance, stopClock } = await openOther();
    stopClock();
    const forged = (await logoutToken(provider, { sub: 'alice', iat: aMinuteAgo() })).replace(
      /.{20}$/,
      'A'.repeat(20),
    );
    const lines = (message: string) =>
      gateway
        .logs()
        .split('\n')
        .filter((line) => line.includes(`"msg":"${message}"`))
        .map((line): Record<string, unknown> => JSON.parse(line));
    const counted = async () => {
      const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
      return Number(/_requests_total\{route="auth",method="POST",status="400"\} (\d+)/.exec(metrics)?.[1]);
    };
    const flood = async (count: number) => {
      for (let n = 0; n < count; n += 1) expect((await postLogoutToken(agent, forged)).status).toBe(400);
    };
    await flood(30);
    await expect.poll(counted).toBe(30);
    advance(1_000);
    await flood(30);
    await expect.poll(counted).toBe(60);
    const rejected = { omitted: 29, reason: expect.any(String) };
    expect(lines('logout token rejected')).toEqual([expect.anything(), expect.objectContaining(rejected)]);
    const [, request] = lines('request');
    expect(lines('request')).toHaveLength(2);
    expect(request).toMatchObject({ status: 400, omitted: 29, requestId: expect.any(String) });

    // A logout that succeeds has its line.
    expect((await postLogoutToken(agent, await logoutToken(provider, { sub: 'alice' }))).status).toBe(200);
    await expect.poll(() => lines('request').map(({ status }) => status)).toEqual([400, 400, 200]);
  });
});

describe('a logout token that cannot be checked', () => {
  it.each([['with no keys yet', false] as const, ['for a key that is not known yet', true] as const])(
    'gets 503 with Retry-After while the JWKS is unavailable, %s, and is accepted afterwards (standards: D18)',
    async (_when, hasKeys) => {
      const other = await openOther();
      const agent = await signedIn(alice, other);
      if (hasKeys) {
        await postLogoutToken(other.agent, await logoutToken(other.provider, { sub: 'nobody' }));
        await other.provider.swapKeys();
      }
      const token = await logoutToken(other.provider, { sub: alice });
      other.provider.faults.jwks = { status: 503, times: 1 };
      const response = await postLogoutToken(other.agent, token);
      expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
      expect(response.header('retry-after')).toBe('5');
      expect(await statusOf(agent)).toBe(200);
      expect((await postLogoutToken(other.agent, token)).status).toBe(200);
      expect(await statusOf(agent)).toBe(401);
    },
  );

  it('gets 503 with Retry-After when forged tokens have used up the JWKS fetches, and is accepted once one is due', async () => {
    const other = await openOther();
    other.stopClock();
    const agent = await signedIn(alice, other);
    const [, payload, signature] = (await logoutToken(other.provider, { sub: alice })).split('.');
    const forge = (n: number) => {
      const header = JSON.stringify({ alg: 'RS256', typ: 'logout+jwt', kid: `unknown-${n}` });
      return `${Buffer.from(header).toString('base64url')}.${payload}.${signature}`;
    };
    const statuses: number[] = [];
    for (let n = 0; n < 40; n += 1) statuses.push((await postLogoutToken(other.agent, forge(n))).status);
    expect(statuses.slice(0, 5)).toEqual(Array(5).fill(400));
    expect(statuses.slice(-20)).toEqual(Array(20).fill(503));
    const lines =
      other.gateway.logs().match(/[^\n]*(?:logout token rejected|"provider_unavailable")[^\n]*/g) ?? [];
    expect(lines.filter((line) => !line.includes('"level":"debug"')).length).toBeLessThanOrEqual(2);

    await other.provider.swapKeys();
    const token = await logoutToken(other.provider, { sub: alice });
    const response = await postLogoutToken(other.agent, token);
    expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(response.header('retry-after')).toBe('5');
    expect(await statusOf(agent)).toBe(200);
    other.advance(6_000);
    expect((await postLogoutToken(other.agent, token)).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
  });

  it('gets 503 however often it is sent while the JWKS is unavailable', async () => {
    const other = await openOther();
    const token = await logoutToken(other.provider, { sub: alice });
    other.provider.faults.jwks = { status: 503, times: 100 };
    for (let n = 0; n < 15; n += 1) expect((await postLogoutToken(other.agent, token)).status).toBe(503);
  });
});

describe('a logout token with sub and sid', () => {
  const withoutSid = ({ sid: _sid, ...claims }: JWTPayload): JWTPayload => claims;

  it('ends the session with that sid and those without one, and no session with another sid', async () => {
    const other = await openOther();
    const named = await signedIn(alice, other);
    const sid = sidOf(alice, other);
    const another = await signedIn(alice, other);
    other.provider.patchIdToken = withoutSid;
    const without = await signedIn(alice, other);
    const ofBob = await signedIn(bob, other);
    const token = await logoutToken(other.provider, { sub: alice, sid });
    expect((await postLogoutToken(other.agent, token)).status).toBe(200);
    expect([await statusOf(named), await statusOf(without)]).toEqual([401, 401]);
    expect([await statusOf(another), await statusOf(ofBob)]).toEqual([200, 200]);
  });

  it('prevents a session without a sid while its code is exchanged, and no session with another sid (standards: D20)', async () => {
    const other = await openOther();
    for (const omitSid of [true, false]) {
      other.provider.patchIdToken = omitSid ? withoutSid : undefined;
      const agent = other.browser();
      const login = await beginLogin(agent, `?login_hint=${alice}`);
      const gate = other.provider.faults.hold('token', 'after');
      const callback = finishLogin(agent, login);
      await gate.waiting();
      await postLogoutToken(other.agent, await logoutToken(other.provider, { sub: alice, sid: 'gone' }));
      gate.release();
      expect((await callback).status).toBe(omitSid ? 400 : 303);
    }
  });
});

describe('a repeated or late logout token (standards: D16)', () => {
  it('responds 400 on every replica and ends no newer session when it repeats', async () => {
    await signedIn();
    const token = await tokenFor({ sub: alice });
    expect((await postLogoutToken(first, token)).status).toBe(200);
    const anew = await signedIn();
    for (const replica of [first, second]) {
      const response = await postLogoutToken(replica, token);
      expect(response.status).toBe(400);
      expect((response.json() as { detail: string }).detail).toContain('already used');
    }
    expect(await statusOf(anew)).toBe(200);
  });

  it('ends only sessions that began before it was issued when it arrives late', async () => {
    const agent = await signedIn();
    const iat = Math.floor(Date.now() / 1000) - 60;
    const claims = { ...logoutClaims(testGateway.provider, { sub: alice }), iat };
    expect((await postLogoutToken(first, await testGateway.provider.sign(claims, 'logout+jwt'))).status).toBe(
      200,
    );
    expect(await statusOf(agent)).toBe(200);
  });

  it('is accepted again when the store failed on the first attempt (standards: D18)', async () => {
    const agent = await signedIn();
    const token = await tokenFor({ sub: alice });
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '-zrangebyscore');
    onTestFinished(() => void redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+zrangebyscore'));
    const response = await postLogoutToken(first, token);
    expect(response.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+zrangebyscore');
    expect(await statusOf(agent)).toBe(200);
    expect((await postLogoutToken(second, token)).status).toBe(200);
    await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
  });
});

describe('a logout token during a sign-in (standards: D20)', () => {
  it.each([
    ['its sid', () => ({ sid: sidOf(alice) })],
    ['its sub', () => ({ sub: alice })],
  ])('prevents the session while the code is exchanged, identified by %s', async (_what, about) => {
    const agent = testGateway.browser();
    const login = await beginLogin(agent, `?login_hint=${alice}`);
    const gate = testGateway.provider.faults.hold('token', 'after');
    const callback = finishLogin(agent, login);
    await gate.waiting();
    expect((await postLogoutToken(second, await tokenFor(about()))).status).toBe(200);
    gate.release();

    const response = await callback;
    expect(response.json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect(agent.cookies.all()).toEqual([]);
    expect(await records()).toEqual([]);
    await vi.waitFor(() => expect(familiesOf(alice)).toMatchObject([{ endedBecause: 'revoked' }]), {
      timeout: 20_000,
    });
  });

  it('prevents the session while the user is still at the provider and allows the next sign-in', async () => {
    const agent = testGateway.browser();
    const login = await beginLogin(agent, `?login_hint=${alice}`);
    expect((await postLogoutToken(first, await tokenFor({ sub: alice }))).status).toBe(200);
    expect((await finishLogin(agent, login)).json()).toMatchObject({ code: 'login_failed' });
    expect(await records()).toEqual([]);
    await agent.signIn('/', { loginHint: alice });
    expect(await statusOf(agent)).toBe(200);
  });

  it('for another user does not affect the sign-in', async () => {
    const agent = testGateway.browser();
    const login = await beginLogin(agent, `?login_hint=${bob}`);
    await postLogoutToken(first, await tokenFor({ sub: alice }));
    expect((await finishLogin(agent, login)).status).toBe(303);
  });

  it('leaves no session regardless of their order (standards: D20)', async () => {
    for (let round = 0; round < 8; round += 1) {
      const name = `${alice}-${round}`;
      const agent = testGateway.browser();
      const login = await beginLogin(agent, `?login_hint=${name}`);
      const callback = finishLogin(agent, login);
      if (round % 2 === 1) await sleep(round * 2);
      await postLogoutToken(round % 4 < 2 ? first : second, await tokenFor({ sub: name }));
      await callback;
      await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
    }
    expect(await records()).toEqual([]);
  });
});

describe('a logout token during a refresh (standards: D19, G14)', () => {
  it.each(['before', 'after'] as const)(
    'ends the session and revokes all issued tokens when it arrives %s the provider processes the refresh',
    async (moment) => {
      const agent = await signedIn();
      testGateway.provider.revokeAccessToken(familiesOf(alice)[0]?.accessTokens[0]?.token ?? '');
      const gate = testGateway.provider.faults.hold('token', moment);
      const call = agent.fetch('/api/one');
      await gate.waiting();
      expect((await postLogoutToken(second, await tokenFor({ sid: sidOf(alice) }))).status).toBe(200);
      gate.release();

      expect((await call).status).toBe(401);
      expect(await records()).toEqual([]);
      const issued = familiesOf(alice).flatMap(({ refreshTokens }) =>
        refreshTokens.map(({ token }) => token),
      );
      expect(issued.length).toBeGreaterThanOrEqual(moment === 'after' ? 2 : 1);
      await vi.waitFor(() => expect(revoked()).toEqual(expect.arrayContaining(issued)), PATIENCE);
      expect(await statusOf(agent)).toBe(401);
    },
  );
});

describe('provider.logoutTokens (standards: D15)', () => {
  it.each([
    ['standard', 'JWT', 200],
    ['standard', undefined, 200],
    ['strict', 'JWT', 400],
    ['strict', undefined, 400],
    ['strict', 'logout+jwt', 200],
  ] as const)('%s: responds to a logout token of type %s with %i', async (logoutTokens, typ, status) => {
    const other = await openOther({ config: { provider: { logoutTokens } } });
    const agent = await signedIn(alice, other);
    const claims = logoutClaims(other.provider, { sid: sidOf(alice, other) });
    const key = createKey('RS256', 'logout');
    other.provider.faults.jwks = { status: 200, body: { keys: [key.jwk] } };
    const token = key.sign(claims, typ === undefined ? {} : { typ });
    expect((await postLogoutToken(other.agent, token)).status).toBe(status);
    expect(await statusOf(agent)).toBe(status === 200 ? 401 : 200);
  });

  it.each(['standard', 'strict'] as const)('%s: rejects a logout token without exp', async (logoutTokens) => {
    const other = await openOther({ config: { provider: { logoutTokens } } });
    await signedIn(alice, other);
    const { exp: _exp, ...claims } = logoutClaims(other.provider, { sid: sidOf(alice, other) });
    const token = await other.provider.sign(claims, 'logout+jwt');
    expect((await postLogoutToken(other.agent, token)).status).toBe(400);
  });
});

describe('provider.logoutTokens: lenient (standards: D11, D15)', () => {
  it('accepts logout tokens of type JWT without exp but still rejects ID tokens', async () => {
    const other = await openOther({ config: { provider: { logoutTokens: 'lenient' } } });
    const agent = await signedIn(alice, other);
    const { exp: _exp, ...claims } = logoutClaims(other.provider, { sid: sidOf(alice, other) });
    const [idToken = ''] = other.provider.secrets(['id_token']);
    expect((await postLogoutToken(other.agent, idToken)).status).toBe(400);
    expect((await postLogoutToken(other.agent, await other.provider.sign(claims, 'JWT'))).status).toBe(200);
    expect(await statusOf(agent)).toBe(401);
  });
});
