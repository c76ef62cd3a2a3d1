import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GATEWAY_NAME, type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
let testGateway: TestGateway;

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await testGateway.close();
  await redis.close();
});

/** Changes the rights of the gateway's Redis user. */
const setRights = (...rules: string[]) => redis.command('ACL', 'SETUSER', GATEWAY_NAME, ...rules);
/** Takes the right to publish: the command, or the channels. */
const withoutPublishing: [string, () => Promise<unknown>][] = [
  ['the command', () => setRights('-publish')],
  ['the channels', () => setRights('resetchannels')],
];

async function readyz() {
  const response = await fetch(`${testGateway.gateway.adminUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: { name: string; ok: boolean; detail: string }[] };
  return { status: response.status, store: checks.find(({ name }) => name === 'store') };
}

describe.each(withoutPublishing)('when Redis refuses to publish: %s', (_what, refuse) => {
  beforeEach(async () => {
    testGateway = await openTestGateway({ store: redis.url });
    await testGateway.agent.signIn();
    await refuse();
  });

  it('a logout succeeds, ends the session, revokes its token and closes its WebSockets', async () => {
    const socket = await testGateway.agent.websocket('/socket/live');
    const response = await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    expect(response.status).toBe(200);
    expect(response.json()).toMatchObject({
      logoutUrl: expect.stringContaining(testGateway.provider.issuer),
    });
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
    expect(testGateway.provider.families).toMatchObject([{ endedBecause: 'revoked' }]);
    expect(await socket.closed).toMatchObject({ code: 1008 });
    expect(testGateway.gateway.logs()).toContain('Redis refuses to publish the end of a session');
    expect(testGateway.gateway.logs()).toContain('"reason":"logout"');
  });

  it('a refresh writes its tokens once and releases its lock', async () => {
    testGateway.advance(300_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    await vi.waitFor(
      async () => expect(await redis.command('KEYS', 'coatcheck:lock:*')).toEqual([]),
      POLLING,
    );
    testGateway.advance(300_000);
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
    expect(testGateway.provider.tokenLedger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
    expect(testGateway.gateway.logs()).not.toContain('cannot write new tokens');
  });
});

describe('a gateway whose Redis user lacks rights', () => {
  it.each([
    ['+publish', ['-publish']],
    ['+subscribe', ['-subscribe']],
    ['+eval', ['-eval']],
    ['+zpopmax', ['-zpopmax']],
    ['&coatcheck:changes &coatcheck:unlocked', ['resetchannels']],
    ['~coatcheck:lock:check', ['resetkeys', '%R~coatcheck:*', '~coatcheck:[^l]*']],
  ])('is not ready, reports that it lacks %s, and is ready once it is granted', async (missing, rules) => {
    await setRights(...rules);
    testGateway = await openTestGateway({ store: redis.url });
    await vi.waitFor(async () => {
      expect(await readyz()).toEqual({
        status: 503,
        store: { name: 'store', ok: false, detail: `the Redis user lacks ${missing}` },
      });
    }, POLLING);
    const lines = testGateway.gateway.logs().match(/the Redis user lacks rights/g);
    expect(lines).toHaveLength(1);

    await setRights('~coatcheck:*', '&coatcheck:*', '+@all');
    await vi.waitFor(async () => expect(await readyz()).toMatchObject({ status: 200 }), POLLING);
  });

  it('needs no INFO right to be ready, and tests its rights without a change in Redis', async () => {
    await setRights('-info');
    testGateway = await openTestGateway({ store: redis.url });
    await vi.waitFor(async () => expect(await readyz()).toMatchObject({ status: 200 }), POLLING);
    // Only what a process always announces: the ids of its keys.
    expect(await redis.command('KEYS', '*')).toEqual(['coatcheck:keys']);
  });
});

it('a gateway whose Redis user may not select the database stays out of database 0 until it may', async () => {
  testGateway = await openTestGateway({ store: redis.url.replace(/0$/, '1') });
  await expect.poll(() => testGateway.gateway.logs(), POLLING).toContain('session store unavailable');
  expect(await readyz()).toMatchObject({ status: 503, store: { ok: false } });
  expect(await redis.command('INFO', 'keyspace')).not.toContain('db0');

  await setRights('+select');
  await expect.poll(readyz, POLLING).toMatchObject({ status: 200 });
  await testGateway.agent.signIn();
  const keyspace = String(await redis.command('INFO', 'keyspace'));
  expect(keyspace).toContain('db1:');
  expect(keyspace).not.toContain('db0:');
});
