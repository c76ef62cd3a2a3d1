import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { beginLogin, finishLogin } from '../../../testkit/gateway/login-steps.ts';
import { GATEWAY_NAME, type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };
const TOKEN = 'canary-admin-token.of_the~admin-listener';

let redis: RedisServer;
let testGateway: TestGateway;
let replica: Awaited<ReturnType<TestGateway['replica']>>;

beforeAll(async () => {
  redis = await startRedis();
  testGateway = await openTestGateway({ store: redis.url, config: { admin: { token: TOKEN } } });
  replica = await testGateway.replica();
});

afterEach(() => redis.command('FLUSHALL'));

afterAll(async () => {
  await testGateway.close();
  await redis.close();
});

/** Asks the admin listener, by default with the token. */
async function ask(
  method: string,
  path: string,
  { authorization = `Bearer ${TOKEN}`, at = testGateway.gateway } = {},
) {
  const response = await fetch(`${at.adminUrl}${path}`, {
    method,
    headers: authorization === '' ? {} : { authorization },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(text) as Record<string, unknown>,
  };
}

/** A browser of a signed-in user. */
async function signedIn(name = 'alice', from = testGateway): Promise<UserAgent> {
  const agent = from.browser();
  await agent.signIn('/', { loginHint: name });
  return agent;
}

const statusOf = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const idOf = async (agent: UserAgent) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;
const revoked = (name: string) =>
  testGateway.provider.families.filter(({ grant }) => grant.subject === name).every(({ alive }) => !alive);

describe('session administration on the admin listener', () => {
  const requests = [
    ['GET', '/sessions?subject=alice'],
    ['DELETE', '/sessions?subject=alice'],
    ['POST', '/sessions/revoke-all'],
  ] as const;

  it.each([
    ['missing', ''],
    ['a different token', 'Bearer nonsense'],
    ['the token with a character added', `Bearer ${TOKEN}x`],
    ['the token without its last character', `Bearer ${TOKEN.slice(0, -1)}`],
    ['empty', 'Bearer '],
    ['sent twice', `Bearer ${TOKEN} ${TOKEN}`],
    ['sent with the Basic scheme', `Basic ${TOKEN}`],
  ])('responds 401 when the admin token is %s', async (_what, authorization) => {
    const agent = await signedIn();
    for (const [method, path] of requests) {
      const response = await ask(method, path, { authorization });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
    expect(await statusOf(agent)).toBe(200);
  });

  it('responds 404 when no admin token is configured', async () => {
    const other = await openTestGateway();
    onTestFinished(() => other.close());
    for (const [method, path] of requests)
      expect((await ask(method, path, { at: other.gateway })).status).toBe(404);
  });

  it('responds 400 for missing or repeated parameters and lists the allowed methods', async () => {
    expect((await ask('GET', '/sessions')).status).toBe(400);
    expect((await ask('GET', '/sessions?subject=')).status).toBe(400);
    expect((await ask('GET', '/sessions?subject=a&subject=b')).status).toBe(400);
    expect((await ask('DELETE', '/sessions')).status).toBe(400);
    expect((await ask('DELETE', '/sessions?subject=a&sessionId=b')).status).toBe(400);
    expect((await ask('POST', '/sessions')).headers.get('allow')).toBe('GET, HEAD, DELETE');
    expect((await ask('GET', '/sessions/revoke-all')).headers.get('allow')).toBe('POST');
    expect((await ask('GET', '/sessions/else')).status).toBe(404);
  });

  it('requires no token for the health endpoints', async () => {
    expect((await ask('GET', '/livez', { authorization: '' })).status).toBe(200);
  });

  it('never logs the admin token (standards: E23)', async () => {
    await ask('GET', '/sessions?subject=alice');
    await ask('GET', '/sessions?subject=alice', { authorization: `Bearer ${TOKEN}x` });
    expect(testGateway.gateway.logs()).not.toContain(TOKEN);
  });

  it('responds 503 when the session store is down', async () => {
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '-zrangebyscore');
    onTestFinished(() => void redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+zrangebyscore'));
    expect(await ask('GET', '/sessions?subject=alice')).toMatchObject({
      status: 503,
      body: { code: 'store_unavailable', requestId: expect.any(String) },
    });
  });
});

describe('the sessions of a user on the admin listener', () => {
  it('are listed across replicas without tokens', async () => {
    const one = await signedIn();
    const two = testGateway.browser({ at: replica });
    await two.signIn('/', { loginHint: 'alice' });
    await signedIn('bob');
    const { status, body } = await ask('GET', '/sessions?subject=alice');
    expect(status).toBe(200);
    const times = {
      createdAt: expect.any(String),
      lastSeenAt: expect.any(String),
      expiresAt: expect.any(String),
    };
    expect(body).toEqual({
      sessions: [
        { id: await idOf(one), subject: 'alice', ...times },
        { id: await idOf(two), subject: 'alice', ...times },
      ],
    });
    expect((await ask('GET', '/sessions?subject=nobody')).body).toEqual({ sessions: [] });
  });

  it('are all ended on every replica by one request (standards: D24)', async () => {
    const mine = await Promise.all([signedIn('erin'), signedIn('erin')]);
    const bob = await signedIn('bob');
    expect(await ask('DELETE', '/sessions?subject=erin', { at: replica })).toMatchObject({
      status: 200,
      body: { ended: 2 },
    });
    for (const agent of mine) await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
    expect(await statusOf(bob)).toBe(200);
    await vi.waitFor(() => expect(revoked('erin')).toBe(true), PATIENCE);
    expect((await ask('DELETE', '/sessions?subject=erin')).body).toEqual({ ended: 0 });
  });

  it('include none from a sign-in that is in progress during the request (standards: D24)', async () => {
    const agent = testGateway.browser();
    const login = await beginLogin(agent, '?login_hint=alice');
    await ask('DELETE', '/sessions?subject=alice');
    expect((await finishLogin(agent, login)).json()).toMatchObject({ code: 'login_failed' });
    expect((await signedIn()).cookies.all()).toHaveLength(1);
  });

  it('are ended individually by session ID (standards: D24)', async () => {
    const [one, two] = [await signedIn(), await signedIn()];
    const path = `/sessions?sessionId=${await idOf(one)}`;
    expect(await ask('DELETE', path)).toMatchObject({ status: 200, body: { ended: 1 } });
    expect(await statusOf(one)).toBe(401);
    expect(await statusOf(two)).toBe(200);
    expect((await ask('DELETE', path)).status).toBe(404);
    const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('sessions_ended_total{reason="admin"}');
  });
});

describe('revoking all sessions (standards: D24)', () => {
  it('ends every session on every replica, cached or not, without writing to the sessions', async () => {
    const people = ['gina', 'hans', 'ivan'];
    const agents = await Promise.all(people.map((name) => signedIn(name)));
    const elsewhere = agents.map((agent) => testGateway.browser({ like: agent, at: replica }));
    for (const agent of [...agents, ...elsewhere]) expect(await statusOf(agent)).toBe(200);
    await redis.command('CONFIG', 'RESETSTAT');
    expect((await ask('POST', '/sessions/revoke-all')).status).toBe(200);
    const stats = String(await redis.command('INFO', 'commandstats'));
    const used = [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name);
    expect(used).toEqual(expect.arrayContaining(['evalsha', 'publish']));
    expect(used.filter((name) => /scan|keys|del|members|range/.test(name ?? ''))).toEqual([]);

    for (const agent of [...agents, ...elsewhere]) {
      await vi.waitFor(async () => expect(await statusOf(agent)).toBe(401), PATIENCE);
    }
    await vi.waitFor(() => expect(people.every(revoked)).toBe(true), PATIENCE);
    expect((await ask('GET', '/sessions?subject=gina')).body).toEqual({ sessions: [] });
  });

  it('allows new sign-ins after each revocation', async () => {
    for (let round = 0; round < 3; round += 1) {
      await ask('POST', '/sessions/revoke-all', { at: round % 2 === 0 ? testGateway.gateway : replica });
      const agent = await signedIn();
      expect(await statusOf(agent)).toBe(200);
      expect(await statusOf(testGateway.browser({ like: agent, at: replica }))).toBe(200);
    }
  });

  it('also applies to a gateway that starts later', async () => {
    const agent = await signedIn();
    await ask('POST', '/sessions/revoke-all');
    const late = await testGateway.replica();
    expect(await statusOf(testGateway.browser({ like: agent, at: late }))).toBe(401);
  });

  it('also applies to a gateway that missed the message', async () => {
    const agent = await signedIn();
    const elsewhere = testGateway.browser({ like: agent, at: replica });
    expect(await statusOf(elsewhere)).toBe(200);
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '-subscribe');
    onTestFinished(() => void redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+subscribe'));
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await ask('POST', '/sessions/revoke-all');
    await vi.waitFor(async () => expect(await statusOf(elsewhere)).toBe(401), PATIENCE);
  });

  it('allows new sign-ins at a gateway that missed the message', async () => {
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '-subscribe');
    onTestFinished(() => void redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+subscribe'));
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await ask('POST', '/sessions/revoke-all');
    const agent = testGateway.browser({ at: replica });
    await agent.signIn();
    expect(await statusOf(agent)).toBe(200);
    expect(await statusOf(testGateway.browser({ like: agent }))).toBe(200);
  });

  it('closes open WebSockets', async () => {
    const agent = await signedIn();
    const socket = await agent.websocket('/socket/live');
    socket.send('hello');
    expect(await socket.next()).toBe('hello');
    await ask('POST', '/sessions/revoke-all', { at: replica });
    expect((await socket.closed).code).toBe(1008);
  });

  it('prevents a running refresh from restoring a session and revokes its new tokens (standards: G14)', async () => {
    const agent = await signedIn('dave');
    const [family] = testGateway.provider.families.filter(({ grant }) => grant.subject === 'dave');
    testGateway.provider.revokeAccessToken(family?.accessTokens[0]?.token ?? '');
    const gate = testGateway.provider.faults.hold('token', 'after');
    const call = agent.fetch('/api/one');
    await gate.waiting();
    await ask('POST', '/sessions/revoke-all');
    gate.release();
    expect((await call).status).toBe(401);
    expect(await statusOf(agent)).toBe(401);
    await vi.waitFor(() => expect(family).toMatchObject({ alive: false, endedBecause: 'revoked' }), PATIENCE);
  });

  it('also works with the memory store', async () => {
    const other = await openTestGateway({ config: { admin: { token: TOKEN } } });
    onTestFinished(() => other.close());
    const agent = await signedIn('alice', other);
    await ask('POST', '/sessions/revoke-all', { at: other.gateway });
    expect(await statusOf(agent)).toBe(401);
    expect(await statusOf(await signedIn('alice', other))).toBe(200);
  });
});
