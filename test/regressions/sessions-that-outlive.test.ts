import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createEnvelopes } from '../../src/crypto/envelope.ts';
import { hashIdentifier } from '../../src/crypto/identifier.ts';
import { createKeyRing } from '../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../src/crypto/sealed-cookie.ts';
import { SESSION_SECRET } from '../../testkit/gateway/gateway-config.ts';
import { beginLogin, finishLogin } from '../../testkit/gateway/login-steps.ts';
import type { RedisServer } from '../../testkit/redis/redis-server.ts';
import { openTestGatewayForEachTest } from '../../testkit/gateway/test-gateway-lifetime.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

const call = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const signOut = async (agent = testGateway.agent) =>
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
const ticketOf = (agent: UserAgent) => agent.cookies.get('coatcheck')?.value ?? '';

describe('a session cookie that an attacker knows', () => {
  it('is replaced when the victim signs in (CVE-2021-41246 / GHSA-7rg2-qxmf-hhx9, CVE-2023-29019, CVE-2022-25896; standards: E2)', async () => {
    // The attacker's own session, tossed into the victim's browser before they sign in.
    await testGateway.agent.signIn('/', { loginHint: 'mallory' });
    const victim = testGateway.browser({ like: testGateway.agent });
    await victim.signIn('/', { loginHint: 'alice' });
    expect(ticketOf(victim)).not.toBe(ticketOf(testGateway.agent));
    expect((await victim.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(await call(testGateway.agent)).toBe(401);
  });

  it.each(['chosen-by-the-attacker', 'A'.repeat(43)])(
    'with a chosen identifier does not become a session: %s (CVE-2021-41246, CVE-2023-29019; standards: E2, E3)',
    async (chosen) => {
      testGateway.agent.setCookie(`coatcheck=${chosen}; Path=/`);
      await testGateway.agent.signIn();
      expect(ticketOf(testGateway.agent)).not.toContain(chosen);
      const attacker = testGateway.browser();
      attacker.setCookie(`coatcheck=${chosen}; Path=/`);
      expect(await call(attacker)).toBe(401);
      expect(await redis.dump()).not.toContain(hashIdentifier('session', chosen));
    },
  );
});

describe('the session of the previous user of a browser (oauth2-proxy, GHSA-f24x-5g9q-753f)', () => {
  it('ends when the next user signs in, and not before (standards: E2, E16)', async () => {
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    const copied = testGateway.browser({ like: testGateway.agent });
    const begun = await beginLogin(testGateway.agent, '?login_hint=bob');
    // Any site can start a sign-in: until it completes, no session ends.
    expect(await call(copied)).toBe(200);
    expect((await finishLogin(testGateway.agent, begun)).status).toBe(303);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'bob' });
    expect(await call(copied)).toBe(401);
    expect((await copied.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });

  it('loses its cookie at the first response after its end, so that no sign-in page appears beside it (standards: D3)', async () => {
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    const copied = testGateway.browser({ like: testGateway.agent });
    await signOut();
    for (const path of ['/auth/session', '/api/one']) {
      const { setCookies } = await testGateway.browser({ like: copied }).fetch(path);
      expect(setCookies).toEqual([expect.stringMatching(/^coatcheck=;.*Max-Age=0/)]);
    }
  });
});

describe('a session that has ended', () => {
  it('stays ended at every replica for a copied ticket (CVE-2024-31999 / GHSA-9wwp-q7wq-jx35, CVE-2024-21492, CVE-2022-25896; standards: D1)', async () => {
    const replica = await testGateway.replica();
    await testGateway.agent.signIn();
    const copies = [
      testGateway.browser({ like: testGateway.agent }),
      testGateway.browser({ like: testGateway.agent, at: replica }),
    ];
    expect(await Promise.all(copies.map(call))).toEqual([200, 200]);
    await signOut();
    for (let time = 0; time < 3; time += 1) {
      for (const copy of [testGateway.browser({ like: testGateway.agent }), ...copies]) {
        await expect.poll(() => call(copy)).toBe(401);
      }
    }
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
  });

  it.each([
    ['idle', { idleTimeout: '30m', absoluteTimeout: '12h' }, 30 * 60_000],
    ['absolute', { idleTimeout: '1h', absoluteTimeout: '1h' }, 60 * 60_000],
  ])(
    'by its %s limit stays ended for a copied ticket (CVE-2025-46344 / GHSA-pjr6-jx7r-j4r6; standards: E7, E8)',
    async (_which, session, lifeMs) => {
      const other = await openTestGateway({ store: redis.url, config: { session } });
      other.provider.accessTokenLifetime = 7 * 24 * 3_600;
      other.stopClock();
      await other.agent.signIn();
      const copies = [other.browser({ like: other.agent }), other.browser({ like: other.agent })];
      other.advance(lifeMs - 1);
      expect((await other.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
      other.advance(1);
      for (const copy of copies) expect(await call(copy)).toBe(401);
      await other.close();
    },
  );

  it('has its cookie cleared with all attributes that browsers require (CVE-2025-55162 / GHSA-95j4-hw7f-v2rh; standards: D3)', async () => {
    const other = await openTestGateway({ baseUrl: 'https://app.example.test' });
    await other.agent.signIn();
    const copy = other.browser({ like: other.agent });
    const response = await other.agent.fetch('/auth/logout', { method: 'POST' });
    expect(response.setCookies).toEqual([
      '__Host-Http-coatcheck=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    ]);
    expect(other.agent.cookies.all()).toEqual([]);
    // The end does not depend on the cookie.
    expect(await call(copy)).toBe(401);
    await other.close();
  });

  it('is not written back by a refresh that was in progress (tj/connect-redis#328; standards: G14)', async () => {
    await testGateway.agent.signIn();
    const copy = testGateway.browser({ like: testGateway.agent });
    const hold = testGateway.provider.faults.hold('token');
    testGateway.advance(300_000);
    const late = call(copy);
    await hold.waiting();
    await signOut();
    hold.release();
    expect(await late).toBe(401);
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
    await expect.poll(() => testGateway.provider.families[0]?.alive).toBe(false);
  });

  it('accepts neither its ticket nor its access token as a bearer token (CVE-2026-86473; standards: E4)', async () => {
    await testGateway.agent.signIn();
    const token = testGateway.provider.families[0]?.accessTokens[0]?.token;
    const bearers = [ticketOf(testGateway.agent), token];
    const byBearer = async () => {
      const stranger = testGateway.browser();
      return Promise.all(
        bearers.map(async (bearer) => {
          const headers = { authorization: `Bearer ${bearer}`, 'x-csrf': '1' };
          return (await stranger.get('/api/one', { headers })).status;
        }),
      );
    };
    expect(await byBearer()).toEqual([401, 401]);
    await signOut();
    expect(await byBearer()).toEqual([401, 401]);
  });

  it('has its refresh token revoked at the provider with the parameters of RFC 7009 (louketo-proxy#662; standards: D7)', async () => {
    await testGateway.agent.signIn();
    await signOut();
    const [revocation] = testGateway.provider.requests.filter(({ endpoint }) => endpoint === 'revoke');
    expect(revocation?.form).toMatchObject({ token_type_hint: 'refresh_token' });
    expect(revocation?.form?.['token']).toBe(testGateway.provider.families[0]?.refreshTokens[0]?.token);
    expect(revocation?.form).not.toHaveProperty('refresh_token');
    expect(testGateway.provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  });
});

it('an unsigned logout token ends no session (CVE-2026-18569; standards: D10)', async () => {
  await testGateway.agent.signIn();
  const { issuer, client } = testGateway.provider;
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = part({
    iss: issuer,
    aud: client.id,
    sub: 'alice',
    iat: now,
    exp: now + 60,
    jti: 'one',
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  });
  for (const alg of ['none', 'None', 'HS256']) {
    const signed = `${part({ alg, typ: 'logout+jwt' })}.${claims}`;
    const mac = createHmac('sha256', client.secret).update(signed).digest('base64url');
    for (const token of [`${signed}.`, `${signed}.${mac}`]) {
      const response = await testGateway.browser().post('/auth/backchannel-logout', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: token }).toString(),
      });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
    }
  }
  expect(await call(testGateway.agent)).toBe(200);
});

it('hashing and sealing keep their inputs separate so that no value is accepted with another purpose or key (CVE-2023-35941 / GHSA-7mhv-gr67-hq55)', () => {
  // Hashing separates the purpose and the identifier.
  const spellings = [
    ['session', '1abc'],
    ['session1', 'abc'],
    ['sessio', 'n1abc'],
    ['', 'session1abc'],
  ] as const;
  expect(new Set(spellings.map(([purpose, id]) => hashIdentifier(purpose, id))).size).toBe(4);
  // Sealing separates the key of a record and its content.
  const envelopes = createEnvelopes(createKeyRing([SESSION_SECRET]));
  const envelope = envelopes.seal('23', 'coatcheck:session:1');
  for (const context of ['coatcheck:session:12', 'coatcheck:session:', 'oatcheck:session:1', '']) {
    expect(envelopes.open(envelope, context)).toBeUndefined();
  }
  expect(envelopes.open(envelope, 'coatcheck:session:1')).toBe('23');
});

it('no endpoint refreshes tokens in exchange for an access token (CVE-2026-82469)', async () => {
  await testGateway.agent.signIn();
  const before = testGateway.provider.tokenCalls();
  const token = testGateway.provider.families[0]?.accessTokens[0]?.token ?? '';
  for (const path of ['/auth/refresh', '/auth/token', '/auth/session']) {
    const stranger = testGateway.browser();
    stranger.setCookie(`coatcheck=${token}; Path=/`);
    const headers = { authorization: `Bearer ${token}`, 'x-csrf': '1' };
    const response = await stranger.post(path, { headers, body: `refresh_token=${token}` });
    expect([404, 405]).toContain(response.status);
    expect(await call(stranger)).toBe(401);
  }
  expect(testGateway.provider.tokenCalls()).toBe(before);
});

it('a value sealed for one purpose does not open for another although all keys derive from one secret (CVE-2026-110864; standards: B7)', async () => {
  const keyRing = createKeyRing([SESSION_SECRET]);
  const [sessions, logins] = [
    createSealedCookies(keyRing, 'session-cookie'),
    createSealedCookies(keyRing, 'login-cookie'),
  ];
  await testGateway.agent.signIn();
  const ticket = (await sessions.unseal(ticketOf(testGateway.agent))) ?? {};
  expect(ticket).toHaveProperty('id');
  const stranger = testGateway.browser();
  stranger.setCookie(`coatcheck=${await logins.seal(ticket, 0)}; Path=/`);
  expect(await call(stranger)).toBe(401);
  stranger.setCookie(`coatcheck=${await sessions.seal(ticket, 0)}; Path=/`);
  expect(await call(stranger)).toBe(200);

  /** Completes a login whose cookie has a seal of its content, and counts the token requests that this causes. */
  const finishWith = async (seals: typeof logins) => {
    const victim = testGateway.browser();
    const login = await beginLogin(victim);
    const [start = ''] = /^[^=]+=(?:[^.]*\.){3}/.exec(login.response.setCookies[0] ?? '') ?? [];
    const { state, nonce } = Object.fromEntries(login.authorizationUrl.searchParams);
    const seal = await seals.seal(
      {
        issuer: testGateway.provider.issuer,
        state,
        nonce,
        codeVerifier: 'v'.repeat(43),
        startedAtMs: testGateway.now(),
      },
      600,
    );
    victim.setCookie(`${start}${seal}; Path=/`);
    const before = testGateway.provider.tokenCalls();
    await finishLogin(victim, login);
    return testGateway.provider.tokenCalls() - before;
  };
  expect(await finishWith(sessions)).toBe(0);
  expect(await finishWith(logins)).toBe(1);
});
