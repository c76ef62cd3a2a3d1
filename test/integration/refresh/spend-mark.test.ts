import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestGatewayForEachTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { openStoreAt } from '../redis/open-store.ts';
import { refreshed } from '../sessions/sample.ts';

/** The lifetime of the access tokens, in milliseconds. */
const LIFE = 300_000;

let redis: RedisServer;
let testGateway: TestGateway;
let client: Redis;
let record: string;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened), {
  config: { refresh: { timeout: '5s', lockTtl: '20s' } },
});
beforeEach(async () => {
  client = new Redis(redis.rootUrl);
  testGateway.upstream.respond(echo);
  await testGateway.agent.signIn();
  testGateway.advance(LIFE);
  [record = ''] = await client.keys('coatcheck:session:*');
});
afterEach(() => client.disconnect());

const call = () => testGateway.agent.fetch('/api/one');
const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
/** The time of Redis, in milliseconds, which spend marks follow. */
const redisTime = async () => {
  const [seconds = 0, microseconds = 0] = (await client.time()).map(Number);
  return seconds * 1_000 + Math.floor(microseconds / 1_000);
};
/** How often Redis has written a field of a hash: a gateway that waits for a mark writes the mark again and again. */
const fieldWrites = async () =>
  Number(/cmdstat_hset:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
/** The spend mark of another process, which has sent the refresh token. */
const mark = async (endsAtMs: number) => client.hset(record, 'm', `other ${endsAtMs}`);

describe('the spend mark of another process (standards: G7)', () => {
  it('keeps the refresh token from being sent while it lasts, and requests get 503 with Retry-After', async () => {
    await mark((await redisTime()) + 3_600_000);
    const response = await call();
    expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(refreshes()).toBe(0);
    await client.hdel(record, 'm');
    await expect.poll(async () => (await call()).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it('keeps it from being sent after its end until the other process has had time to write its tokens', async () => {
    const endsAtMs = (await redisTime()) + 500;
    await mark(endsAtMs);
    const store = openStoreAt(redis.url);
    const key = ((await testGateway.agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;
    const before = await store.loadRecord(key);
    if (before === undefined) throw new Error('the session is not in the store');
    const response = call();
    await expect.poll(redisTime).toBeGreaterThan(endsAtMs);
    const writes = await fieldWrites();
    await expect.poll(fieldWrites).toBeGreaterThanOrEqual(writes + 2);
    expect(await store.replace(key, refreshed(before.data, 'canary-of-the-other-process'), 1)).toBe(
      'replaced',
    );
    expect((await response).status).toBe(200);
    expect(testGateway.upstream.requests.at(-1)?.bearer).toBe('canary-of-the-other-process');
    expect(refreshes()).toBe(0);
    await store.close();
  });
});
