import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import {
  openTestGatewayForTest,
  openTestGatewayForEachTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';

const CLEARED = 'coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

/** The response of `GET /auth/session` to exactly these header fields. */
async function sessionOf(headers: Record<string, string> = {}, { gateway } = testGateway) {
  const response = await request(gateway.url).get('/auth/session').set(headers);
  return {
    status: response.status,
    headers: response.headers,
    body: response.body as Record<string, unknown>,
  };
}

/** The seal in a new session's cookie. */
async function sealOf({ agent } = testGateway): Promise<string> {
  await agent.signIn();
  return agent.cookies.get('coatcheck')?.value ?? '';
}

describe('GET /auth/session without a session (standards: A20)', () => {
  it('returns authenticated false and the login URL', async () => {
    const { status, headers, body } = await sessionOf();
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^application\/json\b/);
    expect(headers['cache-control']).toBe('no-store');
    expect(headers).not.toHaveProperty('set-cookie');
    expect(body).toEqual({ authenticated: false, loginUrl: '/auth/login' });
  });

  it('works without the store', async () => {
    const asked = await openTestGatewayForTest({ store: 'redis://127.0.0.1:1/0' });
    expect((await sessionOf({}, asked)).body).toEqual({ authenticated: false, loginUrl: '/auth/login' });
  });

  it('rejects other methods with 405', async () => {
    const response = await request(testGateway.gateway.url)
      .delete('/auth/session')
      .set('X-CSRF', '1')
      .expect(405);
    expect(response.headers['allow']).toBe('GET, HEAD');
  });
});

describe('GET /auth/session of a signed-in user', () => {
  it('returns the subject, the lifetimes and the URLs (standards: A20)', async () => {
    const other = await openTestGatewayForTest({
      config: {
        session: { idleTimeout: '10m', absoluteTimeout: '2h' },
        login: { postLogoutReturnTo: '/bye' },
      },
    });
    await other.agent.signIn();
    const response = await other.agent.fetch('/auth/session');
    expect(response.header('cache-control')).toBe('no-store');
    const body = response.json() as Record<string, number>;
    expect(body).toEqual({
      authenticated: true,
      subject: 'alice',
      claims: {
        sub: 'alice',
        name: 'Alice Example',
        email: 'alice@example.test',
        picture: 'https://pictures.example.test/alice.png',
      },
      sessionId: expect.stringMatching(/^[\w-]{22}$/),
      expiresIn: expect.any(Number),
      idleExpiresIn: expect.any(Number),
      loginUrl: '/auth/login',
      logoutUrl: '/auth/logout',
    });
    expect(Number.isInteger(body['expiresIn'])).toBe(true);
    expect(body['expiresIn']).toBeGreaterThan(7_000);
    expect(body['expiresIn']).toBeLessThanOrEqual(7_200);
    expect(body['idleExpiresIn']).toBeGreaterThan(500);
    expect(body['idleExpiresIn']).toBeLessThanOrEqual(600);
  });

  it.each(['user', 'none'])(
    'without a refresh token shows when the session ends at the next API call (token: %s)',
    async (token) => {
      const other = await openTestGatewayForTest({ routes: [{ path: '/api', token }] });
      if (token === 'none') other.upstream.respond(echo);
      other.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined, expires_in: 300 });
      await other.agent.signIn();
      const read = async () => (await other.agent.fetch('/auth/session')).json() as Record<string, number>;
      const { expiresIn = 0, idleExpiresIn } = await read();
      expect(expiresIn).toBeGreaterThan(200);
      expect(expiresIn).toBeLessThanOrEqual(300);
      expect(idleExpiresIn).toBe(expiresIn);
      expect((await other.agent.fetch('/api/one')).status).toBe(200);
      other.advance(expiresIn * 1_000);
      expect((await other.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
      expect(await read()).toMatchObject({ authenticated: false });
    },
  );

  it('shows only the configured claims', async () => {
    const other = await openTestGatewayForTest({
      config: { session: { claims: ['preferred_username', 'absent', 'toString', '__proto__'] } },
    });
    await other.agent.signIn();
    const response = await other.agent.fetch('/auth/session');
    expect(response.json()).toMatchObject({ subject: 'alice' });
    expect(JSON.stringify((response.json() as { claims: unknown }).claims)).toBe(
      '{"preferred_username":"alice"}',
    );
  });

  it('shows no token, session cookie or store key (standards: A3)', async () => {
    const seal = await sealOf();
    const text = (await testGateway.agent.fetch('/auth/session')).text();
    const secrets = testGateway.provider.secrets(['access_token', 'refresh_token', 'id_token', 'code']);
    const keys = (await redis.dump()).match(/(?<=session:)\S+/g) ?? [];
    expect(keys).toHaveLength(1);
    for (const secret of [...secrets, ...keys, seal]) expect(text).not.toContain(secret);
  });

  it('responds to HEAD without setting a cookie', async () => {
    await testGateway.agent.signIn();
    const response = await testGateway.agent.fetch('/auth/session', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.setCookies).toEqual([]);
  });

  it('does not extend the session, in contrast to an API call', async () => {
    await testGateway.agent.signIn();
    const idleExpiresIn = async () => {
      const response = await testGateway.agent.fetch('/auth/session');
      return (response.json() as { idleExpiresIn: number }).idleExpiresIn;
    };
    testGateway.advance(20 * 60_000);
    expect(await idleExpiresIn()).toBeLessThanOrEqual(600);
    expect(await idleExpiresIn()).toBeLessThanOrEqual(600);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect(await idleExpiresIn()).toBeGreaterThan(1_700);
  });

  it('shows the new user after a sign-in as another user in another tab (standards: E15)', async () => {
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    const before = (await testGateway.agent.fetch('/auth/session')).json();
    await testGateway.agent.signIn('/', { loginHint: 'bob' });
    const after = (await testGateway.agent.fetch('/auth/session')).json();
    expect(before).toMatchObject({ subject: 'alice' });
    expect(after).toMatchObject({ subject: 'bob' });
    const ids = [before, after].map((session) => (session as { sessionId: string }).sessionId);
    expect(new Set(ids).size).toBe(2);
  });

  it('shows the claims of the newest ID token immediately after a refresh (standards: C21)', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, name: 'Alice Newname' });
    testGateway.advance(300_000);
    await testGateway.agent.fetch('/api/one');
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Newname' },
    });
  });

  it('never rotates the cookie during concurrent calls (standards: E11, E12)', async () => {
    const seal = await sealOf();
    const responses = await Promise.all(
      Array.from({ length: 50 }, (_, call) =>
        testGateway.agent.fetch(call % 5 === 0 ? '/auth/session' : `/api/${call}`),
      ),
    );
    expect(responses.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(responses.flatMap(({ setCookies }) => setCookies)).toEqual([]);
    expect(testGateway.agent.cookies.get('coatcheck')?.value).toBe(seal);
  });
});

describe('an invalid session cookie', () => {
  it.each([
    ['no sealed value', 'nonsense'],
    ['a sealed value under no known key', 'Fe26.2*1*aa*bb*cc**dd*ee~2'],
    ['a malformed sealed value', 'Fe26.2*****~2'],
    ['an unsealed identifier', 'A'.repeat(43)],
    ['a JWT', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.'],
    ['the name of an object property', '__proto__'],
    ['very long', 'x'.repeat(8_000)],
  ])('opens and creates no session and is cleared when it is %s (standards: E3)', async (_what, value) => {
    const { status, headers, body } = await sessionOf({ cookie: `coatcheck=${value}` });
    expect(status).toBe(200);
    expect(body).toEqual({ authenticated: false, loginUrl: '/auth/login' });
    expect(headers['set-cookie']).toEqual([CLEARED]);

    const call = await request(testGateway.gateway.url)
      .get('/api/one')
      .set({ cookie: `coatcheck=${value}`, 'X-CSRF': '1' })
      .expect(401);
    expect(JSON.parse(call.text)).toMatchObject({ code: 'session_expired', loginUrl: '/auth/login' });
    expect(call.headers['set-cookie']).toEqual([CLEARED]);
    expect(testGateway.upstream.requests).toEqual([]);
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
  });

  it('is rejected when any part of its sealed value was changed', async () => {
    const seal = await sealOf();
    for (let at = 0; at < seal.length; at += 7) {
      const forged = seal.slice(0, at) + (seal[at] === 'A' ? 'B' : 'A') + seal.slice(at + 1);
      expect((await sessionOf({ cookie: `coatcheck=${forged}` })).body).toMatchObject({
        authenticated: false,
      });
    }
    expect((await sessionOf({ cookie: `coatcheck=${seal}` })).body).toMatchObject({ authenticated: true });
  });

  it('is rejected and cleared when a gateway with another secret sealed it', async () => {
    const other = await openTestGatewayForTest({
      config: { session: { secrets: ['another-secret-Gm5wKj8TzR2xVn7QhP4d'] } },
    });
    const seal = await sealOf(other);
    const { headers, body } = await sessionOf({ cookie: `coatcheck=${seal}` });
    expect(body).toMatchObject({ authenticated: false });
    // A replica with a newer secret may have sealed it: only its own key tells.
    expect(headers).not.toHaveProperty('set-cookie');
  });

  it('is cleared with the same attributes as it was set with on https (standards: D3)', async () => {
    const other = await openTestGatewayForTest({ baseUrl: 'https://app.example.test' });
    const response = await request(`http://127.0.0.1:${other.gateway.port}`)
      .get('/auth/session')
      .set({ host: 'app.example.test', cookie: '__Host-Http-coatcheck=nonsense' });
    expect(response.headers['set-cookie']).toEqual([
      '__Host-Http-coatcheck=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    ]);
  });
});

describe('a Cookie header (standards: E9)', () => {
  it.each([
    ['among other cookies', (seal: string) => `a=1; coatcheck=${seal}; b=2`],
    ['among other cookies without spaces', (seal: string) => `a=1;coatcheck=${seal};b=2`],
    ['twice with the same value', (seal: string) => `coatcheck=${seal}; coatcheck=${seal}`],
    [
      'with cookies named like object properties',
      (seal: string) => `__proto__=1; constructor=2; coatcheck=${seal}`,
    ],
    ['with non-ASCII bytes', (seal: string) => `a=\xff\x80; coatcheck=${seal}`],
    ['with malformed cookie pairs', (seal: string) => `;; =; a; =b;;coatcheck=${seal};`],
    ['with cookies of longer names', (seal: string) => `coatcheck2=x; xcoatcheck=y; coatcheck=${seal}`],
    ['with a thousand other cookies', (seal: string) => `${'a=1; '.repeat(1_000)}coatcheck=${seal}`],
  ])('opens the session when the session cookie appears %s', async (_what, write) => {
    const seal = await sealOf();
    expect((await sessionOf({ cookie: write(seal) })).body).toMatchObject({ authenticated: true });
  });

  it.each([
    ['in another letter case', (seal: string) => `Coatcheck=${seal}`],
    ['without a name', (seal: string) => `=coatcheck=${seal}`],
    ['in the value of another cookie', (seal: string) => `a=coatcheck=${seal}`],
    ['under a longer name', (seal: string) => `coatcheck-x=${seal}; xcoatcheck=${seal}`],
    ['under the https name', (seal: string) => `__Host-Http-coatcheck=${seal}`],
    ['separated by a comma', (seal: string) => `a=1, coatcheck=${seal}`],
  ])('opens no session when the session cookie appears %s', async (_what, write) => {
    const seal = await sealOf();
    const { headers, body } = await sessionOf({ cookie: write(seal) });
    expect(body).toMatchObject({ authenticated: false });
    expect(headers).not.toHaveProperty('set-cookie');
  });

  it('with a quoted session cookie opens no session and clears the cookie', async () => {
    const seal = await sealOf();
    const { headers, body } = await sessionOf({ cookie: `coatcheck="${seal}"` });
    expect(body).toMatchObject({ authenticated: false });
    expect(headers['set-cookie']).toEqual([CLEARED]);
  });

  it.each([
    ['after the real one', (seal: string) => `coatcheck=${seal}; coatcheck=x`],
    ['before the real one', (seal: string) => `coatcheck=x; coatcheck=${seal}`],
  ])('with a conflicting session cookie %s opens no session and clears nothing', async (_what, write) => {
    const seal = await sealOf();
    const { headers, body } = await sessionOf({ cookie: write(seal) });
    expect(body).toMatchObject({ authenticated: false });
    expect(headers).not.toHaveProperty('set-cookie');
    const call = await request(testGateway.gateway.url)
      .get('/api/one')
      .set({ cookie: write(seal), 'X-CSRF': '1' })
      .expect(401);
    expect(JSON.parse(call.text)).toMatchObject({ code: 'session_required' });
    expect(call.headers).not.toHaveProperty('set-cookie');
    expect((await sessionOf({ cookie: `coatcheck=${seal}` })).body).toMatchObject({ authenticated: true });
  });

  it.each(['\u00a0', '\u0085'])(
    'ignores a cookie whose name begins with the byte %j, which browsers keep (Hono, GHSA-r5rp-j6wh-rvv4; standards: E9)',
    async (byte) => {
      const own = await sealOf();
      const planted = await sealOf({ ...testGateway, agent: testGateway.browser() });
      const send = async (cookie: string) => {
        const head = `GET /auth/session HTTP/1.1\r\nHost: 127.0.0.1:${testGateway.gateway.port}\r\nConnection: close\r\n`;
        const response = await rawRequest(
          testGateway.gateway.port,
          Buffer.from(`${head}Cookie: ${cookie}\r\n\r\n`, 'latin1'),
        );
        return JSON.parse(response.body.toString()) as Record<string, unknown>;
      };
      const sessionId = (await send(`coatcheck=${own}`))['sessionId'];
      expect(await send(`${byte}coatcheck=${planted}`)).toMatchObject({ authenticated: false });
      expect(await send(`coatcheck=${own}; ${byte}coatcheck=${planted}`)).toMatchObject({ sessionId });
      expect(await send(`${byte}coatcheck=${planted}; coatcheck=${own}`)).toMatchObject({ sessionId });
    },
  );

  it('larger than the header limit gets a 431 and the next request succeeds', async () => {
    const seal = await sealOf();
    const head = `GET /auth/session HTTP/1.1\r\nHost: 127.0.0.1:${testGateway.gateway.port}\r\nConnection: close\r\n`;
    const flood = `${head}Cookie: ${'a=1; '.repeat(10_000)}coatcheck=${seal}\r\n\r\n`;
    expect((await rawRequest(testGateway.gateway.port, flood)).status).toBe(431);
    expect((await sessionOf({ cookie: `coatcheck=${seal}` })).body).toMatchObject({ authenticated: true });
  });

  it('with a control character gets a 400', async () => {
    const connection = await openRaw(testGateway.gateway.port);
    connection.write(
      `GET /auth/session HTTP/1.1\r\nHost: 127.0.0.1:${testGateway.gateway.port}\r\nCookie: a=\x00\r\n\r\n`,
    );
    expect((await connection.readResponse()).status).toBe(400);
    connection.close();
  });
});

describe('a session cookie value outside its cookie (standards: E4)', () => {
  it.each([
    ['in the query', (seal: string) => ({ query: `?coatcheck=${encodeURIComponent(seal)}&sid=x` })],
    ['in another header', (seal: string) => ({ headers: { 'X-Session': seal, coatcheck: seal } })],
    ['as a bearer token', (seal: string) => ({ headers: { authorization: `Bearer ${seal}` } })],
  ])('opens no session when it comes %s', async (_what, write) => {
    const { query = '', headers = {} } = write(await sealOf()) as {
      query?: string;
      headers?: Record<string, string>;
    };
    const session = await request(testGateway.gateway.url).get(`/auth/session${query}`).set(headers);
    expect(session.body).toEqual({ authenticated: false, loginUrl: '/auth/login' });
    const call = await request(testGateway.gateway.url)
      .get(`/api/one${query}`)
      .set({ ...headers, 'X-CSRF': '1' })
      .expect(401);
    expect(JSON.parse(call.text)).toMatchObject({ code: 'session_required', loginUrl: '/auth/login' });
    expect(testGateway.upstream.requests).toEqual([]);
  });
});
