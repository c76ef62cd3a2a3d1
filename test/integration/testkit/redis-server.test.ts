import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';

describe('the test Redis server', () => {
  let redis: RedisServer | undefined;

  afterEach(async () => {
    await redis?.close();
    redis = undefined;
  });

  it('replies to commands and dumps every kind of key with type, TTL and values', async () => {
    redis = await startRedis();
    await redis.command('SET', 'a', 'kept-string', 'PX', 60_000);
    await redis.command('HSET', 'b', 'field', Buffer.from([0xff, 0x00, 0x61]));
    await redis.command('RPUSH', 'c', 'kept-list');
    await redis.command('SADD', 'd', 'kept-set');
    await redis.command('ZADD', 'e', 7, 'kept-zset');
    await redis.command('XADD', 'f', '*', 'name', 'kept-stream');

    const dump = await redis.dump();
    expect(dump).toMatch(/^db0 string ttl=\d+ms a\nkept-string$/m);
    expect(dump).toContain('db0 hash ttl=-1ms b\nfield\n\xff\x00a');
    for (const kind of ['list', 'set', 'zset', 'stream']) expect(dump).toContain(`kept-${kind}`);
  });

  it('dumps the other databases as well', async () => {
    redis = await startRedis();
    await redis.command('SELECT', 3);
    await redis.command('SET', 'elsewhere', 'canary');
    expect(await redis.dump()).toContain('db3 string ttl=-1ms elsewhere\ncanary');
  });

  it('stops and restarts empty on the same port', async () => {
    redis = await startRedis();
    const { port, pid } = redis;
    await redis.command('SET', 'a', '1');

    await redis.stop();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    const [refusal] = await once(connect(port, '127.0.0.1'), 'error').catch((error: unknown) => [error]);
    expect(refusal).toMatchObject({ code: 'ECONNREFUSED' });

    await redis.start();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    expect(await redis.command('GET', 'a')).toBeNull();
  });

  it('crashes and can be started again', async () => {
    redis = await startRedis();
    const { pid } = redis;
    await redis.crash();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(() => redis?.command('PING')).toThrow('stopped');
    await redis.start();
    expect(await redis.command('PING')).toBe('PONG');
  });

  it('keeps its data across a restart with persistence', async () => {
    redis = await startRedis({ args: ['--appendonly', 'yes'] });
    await redis.command('SET', 'a', '1');
    await redis.stop();
    await redis.start();
    expect(await redis.command('GET', 'a')).toBe('1');
  });

  it('replies to nothing while paused and to everything once resumed', async () => {
    redis = await startRedis();
    redis.pause();
    let replied = false;
    const reply = redis.command('PING').finally(() => (replied = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(replied).toBe(false);
    redis.resume();
    expect(await reply).toBe('PONG');
  });

  it('can be closed while paused', async () => {
    redis = await startRedis();
    const { pid } = redis;
    redis.pause();
    await redis.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('names the package to install when redis-server is missing', async () => {
    vi.stubEnv('PATH', '/nonexistent');
    vi.stubEnv('REDIS_SERVER', undefined);
    try {
      await expect(startRedis()).rejects.toThrow(/install the package redis-server/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
