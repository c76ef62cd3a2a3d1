import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestGateway, type TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';

let redis: RedisServer;
let inRedis: TestGateway;
let inMemory: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
  const config = { admin: { token: TOKEN } };
  inRedis = await openTestGateway({ store: redis.url, config });
  inMemory = await openTestGateway({ config });
  for (const testGateway of [inRedis, inMemory])
    for (const loginHint of ['alice', 'bob']) await testGateway.browser().signIn('/', { loginHint });
});
afterAll(async () => {
  await Promise.all([inRedis.close(), inMemory.close()]);
  await redis.close();
});

const ask = async (path: string, { gateway } = inRedis, token = TOKEN) => {
  const response = await fetch(`${gateway.adminUrl}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe.each([
  ['Redis', () => inRedis],
  ['memory', () => inMemory],
])('the people with sessions in %s', (_store, testGateway) => {
  it('are found by a part of their subject, name or e-mail in any case', async () => {
    for (const text of ['ALIC', 'alice%20ex', 'lice@example']) {
      const { status, body } = await ask(`/people?search=${text}`, testGateway());
      expect(status).toBe(200);
      expect(body).toEqual({
        people: [expect.objectContaining({ subject: 'alice', email: 'alice@example.test' })],
        examined: 2,
      });
    }
    expect((await ask('/people?search=nobody', testGateway())).body).toMatchObject({ people: [] });
  });
});

describe('the search for people', () => {
  it('finds everybody among the other keys of the database', async () => {
    for (let n = 0; n < 40; n += 1) await inRedis.browser().signIn('/', { loginHint: `person-${n}` });
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => redis.command('SET', `other:${n}`, '')));
    const { people, next } = (await ask('/people?search=person')).body;
    expect(people).toHaveLength(40);
    expect(next).toBeUndefined();
  });

  it('needs the admin token, two characters and an unchanged position', async () => {
    expect((await ask('/people?search=alice', inRedis, 'wrong')).status).toBe(401);
    for (const query of ['', '?search=a', '?search=alice&next=x', '?search=alice&search=bob'])
      expect((await ask(`/people${query}`)).status).toBe(400);
  });

  it('is recorded in the audit without the text', () => {
    expect(inRedis.gateway.logs()).toContain('"path":"/people"');
    expect(inRedis.gateway.logs()).not.toContain('lice@example');
  });
});

describe('the recent events', () => {
  it('are for whoever has the admin token, with the audit of this process', async () => {
    expect((await ask('/events', inRedis, 'wrong')).status).toBe(401);
    const { audit } = (await ask('/events')).body;
    expect(audit).toContainEqual(expect.objectContaining({ event: 'sign_in', clientAddress: '127.0.0.1' }));
  });
});

describe('the history', () => {
  it('needs no token and says whether sessions can be administrated', async () => {
    const history = await (await fetch(`${inRedis.gateway.adminUrl}/history`)).json();
    // A minute that ends while this file runs is in the history.
    expect(history).toEqual({
      minutes: expect.any(Array),
      bounds: expect.any(Array),
      hasAdministration: true,
    });
  });
});
