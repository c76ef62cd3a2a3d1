import { describe, expect, it } from 'vitest';
import { beginLogin, finishLogin } from '../../../testkit/gateway/login-steps.ts';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

const extend = (headers = {}) => testGateway.agent.fetch('/auth/session/extend', { method: 'POST', headers });
const figures = async () =>
  (await testGateway.agent.fetch('/auth/session')).json() as { expiresIn: number; idleExpiresIn: number };

describe('POST /auth/session/extend', () => {
  it('counts as use of the session, and never moves its absolute limit', async () => {
    testGateway.stopClock();
    await testGateway.agent.signIn();
    testGateway.advance(20 * 60_000);
    expect(await figures()).toMatchObject({ idleExpiresIn: 600, expiresIn: 43_200 - 1_200 });
    const response = await extend();
    expect(response.status).toBe(204);
    expect(response.body).toHaveLength(0);
    expect(response.header('cache-control')).toBe('no-store');
    expect((await figures()).idleExpiresIn).toBe(1_800);
    expect((await figures()).expiresIn).toBe(43_200 - 1_200);
    testGateway.advance(29 * 60_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('extends the session exactly, however short ago it was used', async () => {
    testGateway.stopClock();
    await testGateway.agent.signIn();
    testGateway.advance(5_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    testGateway.advance(2_000);
    expect(await figures()).toMatchObject({ idleExpiresIn: 1_793 });
    expect((await extend()).status).toBe(204);
    expect(await figures()).toMatchObject({ idleExpiresIn: 1_800 });
  });

  it('responds 503 while the store cannot record it', async () => {
    await testGateway.agent.signIn();
    await redis.stop();
    const response = await extend();
    expect(response.status).toBe(503);
    expect(response.json()).toMatchObject({ code: 'store_unavailable' });
    await redis.start();
  });

  it('responds 401 without a session', async () => {
    const response = await extend();
    expect(response.status).toBe(401);
    expect(response.json()).toMatchObject({ code: 'session_required', loginUrl: '/auth/login' });
  });

  it('responds 401 when the session has ended, and clears the cookie', async () => {
    await testGateway.agent.signIn();
    testGateway.advance(30 * 60_000 + 1);
    const response = await extend();
    expect(response.status).toBe(401);
    expect(response.json()).toMatchObject({ code: 'session_expired' });
    expect(testGateway.agent.cookies.all()).toEqual([]);
  });

  it.each([
    ['of another site', { 'sec-fetch-site': 'cross-site', 'x-csrf': '1' }, 'csrf_rejected'],
    ['of a sibling host', { 'sec-fetch-site': 'same-site' }, 'csrf_rejected'],
    [
      'without a sign of its page',
      { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined },
      'csrf_rejected',
    ],
    ['of another origin', { origin: 'https://evil.example' }, 'origin_rejected'],
  ])('rejects a request %s (standards: E16)', async (_what, headers, code) => {
    await testGateway.agent.signIn();
    const response = await extend(headers);
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code });
  });

  it('accepts POST only', async () => {
    const response = await testGateway.agent.fetch('/auth/session/extend');
    expect(response.status).toBe(405);
    expect(response.header('allow')).toBe('POST');
  });
});

describe('session.cookie.persistent', () => {
  it('keeps the cookie until the absolute limit of the session', async () => {
    const other = await openTestGatewayForTest({
      config: { session: { absoluteTimeout: '8h', cookie: { persistent: true } } },
    });
    const callback = await finishLogin(other.agent, await beginLogin(other.agent));
    expect(callback.setCookies).toContainEqual(
      expect.stringMatching(/^coatcheck=\S+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict$/),
    );
  });
});
