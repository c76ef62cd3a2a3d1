import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Redis } from 'ioredis';
import type { RunningGateway } from '../../../testkit/gateway/gateway.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The end of every session stays in force, whatever Redis loses afterwards (standards: D24). */

const ADMIN_TOKEN = 'canary-admin-token-Xq7mVt2RkLp9WzN4Hb6c';
const GENERATION = 'coatcheck:generation';
/** For tests that start a gateway for each key of Redis. */
const LONG = 240_000;

let redis: RedisServer;
let client: Redis;
let testGateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  client = new Redis(redis.rootUrl);
  testGateway = await openTestGatewayForTest({
    store: redis.url,
    config: { admin: { token: ADMIN_TOKEN } },
  });
});
afterEach(async () => {
  client.disconnect();
  await redis.command('FLUSHALL');
});
afterAll(() => redis.close());

const signIn = async (name: string, at?: RunningGateway) => {
  const agent = testGateway.browser(at && { at });
  await agent.signIn('/', { loginHint: name });
  return agent;
};
const statusOf = async (agent: UserAgent, at?: RunningGateway) => {
  const browser = at === undefined ? agent : testGateway.browser({ like: agent, at });
  return (await browser.fetch('/api/one')).status;
};
const endAll = async () => {
  const response = await fetch(`${testGateway.gateway.adminUrl}/sessions/revoke-all`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  expect(response.status).toBe(200);
};

/** Every key of Redis with its content; `restore` puts back all but `lost`. */
async function snapshot() {
  const found = await Promise.all(
    (await client.keys('*')).map(async (name) => {
      const [content, ttl] = await Promise.all([client.dumpBuffer(name), client.pttl(name)]);
      // A lock may have been released meanwhile.
      return content === null ? [] : [{ name, content, ttl }];
    }),
  );
  const copies = found.flat();
  const restore = async (lost?: string) => {
    await client.flushall();
    for (const { name, content, ttl } of copies)
      if (name !== lost) await client.restore(name, Math.max(0, ttl), content);
  };
  return { names: copies.map(({ name }) => name), restore };
}

describe('sessions that an operator has ended, after Redis has lost one key', () => {
  it(
    'stay ended where a process knows of it, and where one starts later',
    async () => {
      const alice = await signIn('alice');
      await endAll();
      const { names, restore } = await snapshot();
      expect(names).toContain(GENERATION);
      for (const lost of names) {
        await restore(lost);
        const late = await testGateway.replica();
        const bob = await signIn('bob', late);
        expect(await statusOf(alice, late), `at a later process without ${lost}`).toBe(401);
        expect(await statusOf(alice), `without ${lost}`).toBe(401);
        expect(await statusOf(bob, late)).toBe(200);
        await late.close();
      }
    },
    LONG,
  );

  it.each(['a sign-in', 'a request with the former cookie'])(
    'stay ended when every process starts anew and the first event is %s',
    async (first) => {
      const alice = await signIn('alice');
      await endAll();
      const { names, restore } = await snapshot();
      await testGateway.gateway.close();
      for (const lost of names) {
        await restore(lost);
        const anew = await testGateway.replica();
        if (first === 'a sign-in') await signIn('bob', anew);
        expect(await statusOf(alice, anew), `without ${lost}`).toBe(401);
        expect(await statusOf(await signIn('carol', anew), anew)).toBe(200);
        await anew.close();
      }
    },
    LONG,
  );
});

it('sessions that an operator has ended stay ended after Redis has restarted from an older snapshot', async () => {
  const own = await startRedis();
  onTestFinished(() => own.close());
  testGateway = await openTestGatewayForTest({ store: own.url, config: { admin: { token: ADMIN_TOKEN } } });
  const alice = await signIn('alice');
  await own.command('SAVE');
  await endAll();
  await own.crash();
  await own.start();
  const late = await testGateway.replica();
  await expect.poll(() => statusOf(alice)).toBe(401);
  await expect.poll(() => statusOf(alice, late)).toBe(401);
});

it('sessions that an operator has ended stay ended where a process starts while Redis has an older generation', async () => {
  const alice = await signIn('alice');
  const older = await client.get(GENERATION);
  await endAll();
  await client.set(GENERATION, older ?? '');
  const late = await testGateway.replica();
  await expect.poll(() => statusOf(alice, late)).toBe(401);
});

it.each(['not a number', 'NaN', '-1', '', '9'.repeat(17)])(
  'a stored generation of %j brings no ended session back',
  async (text) => {
    const alice = await signIn('alice');
    await endAll();
    await client.set(GENERATION, text);
    await client.publish('coatcheck:changes', `generation ${text}`);
    // A process reads the generation when its subscription is new.
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect.poll(() => client.get(GENERATION)).toMatch(/^\d{1,16}$/);
    expect(await statusOf(alice)).toBe(401);
    expect(await statusOf(alice, await testGateway.replica())).toBe(401);
  },
);
