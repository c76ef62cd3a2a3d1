import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createEnvelopes } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createRedisConnection } from '../../../src/redis/connection.ts';
import { createRedisOutbox } from '../../../src/sessions/revocation/redis-outbox.ts';
import {
  createLocalOutbox,
  MAX_AGE_MS,
  type PendingRevocation,
  type RevocationOutbox,
} from '../../../src/sessions/revocation/outbox.ts';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';

const KEY = 'coatcheck:revocations';
const LEASE_MS = 200;
const ANOTHER_SECRET = 'another-session-secret-uV7cLr3MzQ9fXb2H';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterEach(() => redis.command('FLUSHALL'));

afterAll(() => redis.close());

type Options = { secrets?: string[]; leaseMs?: number; clock?: () => number };

/** Opens the outbox of one process on the Redis of this file. */
function openRedisOutbox(options: Options = {}): RevocationOutbox {
  const { secrets = [SESSION_SECRET], leaseMs = LEASE_MS, clock = Date.now } = options;
  const log = createLogger({ level: 'fatal', format: 'json' });
  const address = { kind: 'redis', url: redis.url } as const;
  const connection = createRedisConnection({ address, log, metrics: createMetrics() });
  onTestFinished(() => connection.close());
  const envelopes = createEnvelopes(createKeyRing(secrets));
  return createRedisOutbox({ redis: connection, envelopes, keyPrefix: 'coatcheck:', leaseMs, clock, log });
}

const ISSUER = 'https://login.example.test';
const requestFor = (refreshToken: string) => ({ refreshToken, issuer: ISSUER });

const tokensOf = (claimed: readonly PendingRevocation[]) =>
  claimed.map(({ refreshToken }) => refreshToken).toSorted();

describe.each([
  ['in memory', (options?: Options) => createLocalOutbox({ leaseMs: LEASE_MS, clock: Date.now, ...options })],
  ['in Redis', openRedisOutbox],
])('a revocation outbox %s', (_where, open) => {
  it('gives a token to one other caller only after the lease has expired', async () => {
    const outbox = open();
    const startedAtMs = Date.now();
    const pending = await outbox.add(requestFor('rt-✓'));
    expect(pending).toMatchObject(requestFor('rt-✓'));
    const claimed: PendingRevocation[] = [];
    while (claimed.length === 0) {
      claimed.push(...(await outbox.claim(10)));
      await sleep(5);
    }
    expect(Date.now() - startedAtMs).toBeGreaterThanOrEqual(LEASE_MS);
    expect(claimed).toMatchObject([{ ...requestFor('rt-✓'), addedAtMs: pending.addedAtMs }]);
    expect(await outbox.claim(10)).toEqual([]);
  });

  it('gives each token to one of many concurrent callers', async () => {
    let now = Date.now();
    const outbox = open({ clock: () => now });
    const tokens = Array.from({ length: 60 }, (_, at) => `rt-${at}`).toSorted();
    await Promise.all(tokens.map((token) => outbox.add(requestFor(token))));
    now += LEASE_MS;
    const claimed = await Promise.all(Array.from({ length: 30 }, () => outbox.claim(3)));
    expect(tokensOf(claimed.flat())).toEqual(tokens);
  });

  it('gives at most the requested number of tokens', async () => {
    const outbox = open({ leaseMs: 0 });
    for (const token of ['one', 'two', 'three']) await outbox.add(requestFor(token));
    expect(await outbox.claim(2)).toHaveLength(2);
  });

  it('drops a token once it is revoked', async () => {
    const outbox = open();
    const pending = await outbox.add(requestFor('rt'));
    await pending.remove();
    await sleep(LEASE_MS);
    expect(await outbox.claim(10)).toEqual([]);
  });

  it('gives a token that was put back from its retry time on', async () => {
    let now = Date.now();
    const outbox = open({ clock: () => now });
    const pending = await outbox.add(requestFor('rt'));
    await pending.reschedule(now + 5_000);
    now += 4_999;
    expect(await outbox.claim(10)).toEqual([]);
    now += 1;
    const [claimed] = await outbox.claim(10);
    expect(claimed?.refreshToken).toBe('rt');
    await claimed?.reschedule(now);
    expect(tokensOf(await outbox.claim(10))).toEqual(['rt']);
  });
});

describe('in Redis', () => {
  it('the outbox reveals no token in a dump (standards: D8)', async () => {
    await openRedisOutbox().add(requestFor('canary-refresh-token'));
    const dump = await redis.dump();
    expect(dump).toContain(`zset ttl=`);
    expect(dump).not.toContain('canary');
  });

  it('the outbox uses one key that expires a day after the last token was added', async () => {
    const outbox = openRedisOutbox();
    const [first] = await Promise.all([outbox.add(requestFor('one')), outbox.add(requestFor('two'))]);
    expect(await redis.command('KEYS', '*')).toEqual([KEY]);
    const ttl = Number(await redis.command('PTTL', KEY));
    expect(ttl).toBeGreaterThan(MAX_AGE_MS - 60_000);
    expect(ttl).toBeLessThanOrEqual(MAX_AGE_MS);
    await first.remove();
    expect(await redis.command('ZCARD', KEY)).toBe(1);
  });

  it('the outbox drops the token that would wait longest when it is full', async () => {
    const outbox = openRedisOutbox({ leaseMs: 0 });
    const now = Date.now();
    for (let at = 0; at < 50_000; at += 1_000) {
      const members = Array.from({ length: 1_000 }, (_, next) => [now + at + next, `x${at + next}`]).flat();
      await redis.command('ZADD', KEY, ...members);
    }
    await outbox.add(requestFor('rt'));
    expect(await redis.command('ZCARD', KEY)).toBe(50_000);
    expect(await redis.command('ZSCORE', KEY, 'x49999')).toBeNull();
  });

  it('the outbox still reads a token that a former version has queued, of which it knows no issuer', async () => {
    const addedAtMs = Date.now();
    const addedAt = Buffer.alloc(8);
    addedAt.writeBigUInt64BE(BigInt(addedAtMs));
    const envelope = createEnvelopes(createKeyRing([SESSION_SECRET])).seal('rt', `${KEY} ${addedAtMs}`);
    await redis.command('ZADD', KEY, 0, Buffer.concat([addedAt, envelope]));
    expect(await openRedisOutbox().claim(1)).toMatchObject([{ refreshToken: 'rt', issuer: undefined }]);
  });

  it('the outbox opens no token whose time was changed', async () => {
    await openRedisOutbox().add(requestFor('rt'));
    const client = new Redis(redis.rootUrl);
    const [bytes = Buffer.alloc(0)] = await client.zrangeBuffer(KEY, 0, '0');
    client.disconnect();
    expect(bytes.length).toBeGreaterThan(8);
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    await redis.command('DEL', KEY);
    await redis.command('ZADD', KEY, 0, bytes);
    expect(await openRedisOutbox().claim(10)).toEqual([]);
  });

  it('the outbox leaves a token sealed with an unknown secret to other processes for a day', async () => {
    let now = Date.now();
    const clock = () => now;
    const theirs = openRedisOutbox({ secrets: [ANOTHER_SECRET, SESSION_SECRET], clock });
    await theirs.add(requestFor('rt'));
    now += LEASE_MS;
    expect(await openRedisOutbox({ clock }).claim(10)).toEqual([]);
    now += 600_000;
    expect(tokensOf(await theirs.claim(10))).toEqual(['rt']);
    now += MAX_AGE_MS;
    expect(await openRedisOutbox({ clock }).claim(10)).toEqual([]);
    expect(await redis.command('EXISTS', KEY)).toBe(0);
  });

  it('the outbox returns readable tokens despite unreadable ones', async () => {
    let now = Date.now();
    const clock = () => now;
    const theirs = openRedisOutbox({ secrets: [ANOTHER_SECRET], clock });
    for (let at = 0; at < 40; at += 1) await theirs.add(requestFor(`theirs-${at}`));
    now += 1;
    const ours = openRedisOutbox({ clock });
    await ours.add(requestFor('rt'));
    now += LEASE_MS;
    expect(tokensOf(await ours.claim(1))).toEqual(['rt']);
  });

  it('the outbox drops entries that it did not write', async () => {
    await redis.command('ZADD', KEY, 0, 'short');
    await redis.command('ZADD', KEY, 0, Buffer.alloc(80));
    await redis.command('ZADD', KEY, 0, Buffer.alloc(80, 0xff));
    expect(await openRedisOutbox().claim(1)).toEqual([]);
    expect(await redis.command('EXISTS', KEY)).toBe(0);
  });
});
