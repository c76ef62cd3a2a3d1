import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createRedisConnection } from '../../../src/redis/connection.ts';
import { createRedisLocks } from '../../../src/redis/lock/redis-locks.ts';
import { GATEWAY_USER, type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';

let redis: RedisServer;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
  await redis.close();
});

/** Opens the locks of a process that reaches Redis at a port of 127.0.0.1. */
function locksAt(port: number) {
  const log = createLogger({ level: 'fatal', format: 'json' });
  const address = { kind: 'redis', url: `redis://${GATEWAY_USER}@127.0.0.1:${port}` } as const;
  const connection = createRedisConnection({ address, log, metrics: createMetrics() });
  const locks = createRedisLocks({ redis: connection, keyPrefix: 'coatcheck:', ttlMs: 30_000, log });
  closers.push(() => connection.close(), locks.close);
  return locks;
}

/** Opens a proxy to Redis that can hold the replies to commands. Messages of subscriptions always pass. */
async function openProxy(to: number) {
  let isHoldingReplies = false;
  const held: (() => void)[] = [];
  let replies = 0;
  let messages = '';
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    sockets.add(client).add(upstream);
    let isSubscriber = false;
    client.on('data', (chunk) => {
      isSubscriber ||= /subscribe/i.test(chunk.toString());
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (isSubscriber) messages += chunk.toString();
      if (isSubscriber || !isHoldingReplies) return void client.write(chunk);
      replies += 1;
      held.push(() => client.write(chunk));
    });
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    port: address.port,
    holdReplies: () => void (isHoldingReplies = true),
    heldReplyCount: () => replies,
    messages: () => messages,
    releaseReplies() {
      isHoldingReplies = false;
      for (const write of held.splice(0)) write();
    },
  };
}

const nextIteration = () => new Promise((resolve) => setImmediate(resolve));

it('a lock released before the reply to a failed acquisition arrives is acquired immediately', async () => {
  const holder = await locksAt(redis.port).acquire('a', Date.now() + 10_000);
  const proxy = await openProxy(redis.port);
  const locks = locksAt(proxy.port);
  // Connects, subscribes, and loads the script into Redis.
  await (await locks.acquire('b', Date.now() + 10_000))?.release();
  await expect.poll(proxy.messages).toContain('unlocked\r\n$1\r\nb\r\n');

  // From here on, no timeout fires.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  proxy.holdReplies();
  const waiting = locks.acquire('a', Date.now() + 10_000);
  while (proxy.heldReplyCount() === 0) await nextIteration();
  await holder?.release();
  while (!proxy.messages().includes('unlocked\r\n$1\r\na\r\n')) await nextIteration();
  for (let count = 0; count < 10; count += 1) await nextIteration();
  proxy.releaseReplies();
  const lease = await waiting;
  expect(lease?.isHeld()).toBe(true);
  await lease?.release();
});
