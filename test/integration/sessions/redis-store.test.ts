import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createEnvelopes } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createRedisConnection } from '../../../src/redis/connection.ts';
import { createRecordCodec } from '../../../src/sessions/record.ts';
import { createRedisStore } from '../../../src/sessions/redis-store.ts';
import type { SessionStore } from '../../../src/sessions/store.ts';
import { SESSION_SECRET } from '../../support/gateway-config.ts';
import { beginLogin, finishLogin } from '../../support/login-steps.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { type Rig, type RigOptions, openRig } from '../../support/rig.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import { renewed, sampleSession } from './sample.ts';
import { describeStoreContract } from './store-contract.ts';

const PREFIX = 'coatcheck:';
/** How long an outcome may take to show, in milliseconds. It is no measure of speed. */
const PATIENCE = { timeout: 10_000, interval: 20 };

let redis: RedisServer;
/** The test's own connection, for bytes. */
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});

afterEach(async () => {
  await client.flushall();
});

afterAll(async () => {
  client.disconnect();
  await redis.close();
});

function openStore(): SessionStore {
  const log = createLogger({ level: 'fatal', format: 'json' });
  const connection = createRedisConnection({
    address: { kind: 'redis', url: redis.url },
    log,
    metrics: createMetrics(),
  });
  const codec = createRecordCodec(createEnvelopes(createKeyRing([SESSION_SECRET])));
  return createRedisStore({ redis: connection, codec, keyPrefix: PREFIX, clock: Date.now, log });
}

/** Opens a gateway on the Redis of this file, for the test alone. */
async function openGateway(options: RigOptions = {}): Promise<Rig> {
  const rig = await openRig({ store: redis.url, ...options });
  onTestFinished(() => rig.close());
  return rig;
}

/** The one session record there is, or the newest since `known`. */
async function recordKey(...known: string[]): Promise<string> {
  const keys = (await client.keys(`${PREFIX}session:*`)).filter((key) => !known.includes(key));
  expect(keys).toHaveLength(1);
  return keys[0] ?? '';
}

/** Expects the browser to be told that its session has ended, and nothing worse. */
async function expectEnded(agent: UserAgent): Promise<void> {
  const answer = await agent.fetch('/api/one');
  expect(answer.json()).toMatchObject({ status: 401, code: 'session_expired' });
  expect(answer.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
}

/** No cache, so that each request reads the record. */
const uncached = { session: { cache: { maxAge: '0s' } } };

describe('the store in Redis', () => {
  describeStoreContract(async () => openStore());

  describe('the time to live of a record', () => {
    const HOUR = 3_600_000;
    let store: SessionStore;

    beforeEach(() => {
      store = openStore();
    });

    afterEach(() => store.close());

    /** Expects the record to live so long, less the little that the test has taken. */
    const expectTtl = async (ms: number) => {
      const ttl = await client.pttl(`${PREFIX}session:one`);
      expect(ttl).toBeLessThanOrEqual(ms);
      expect(ttl).toBeGreaterThan(ms - 10_000);
    };
    const create = (idleMs: number, absoluteMs: number, refreshMs?: number) => {
      const now = Date.now();
      const { tokens } = sampleSession();
      const session = sampleSession({
        absoluteExpiresAtMs: now + absoluteMs,
        tokens: { ...tokens, ...(refreshMs && { refreshExpiresAtMs: now + refreshMs }) },
      });
      return store.create('one', session, now + idleMs).then(() => session);
    };

    it.each([
      ['idle limit', 0.5 * HOUR, 12 * HOUR, undefined, 0.5 * HOUR],
      ['absolute limit', 12 * HOUR, 2 * HOUR, undefined, 2 * HOUR],
      ["end of its refresh token's life", 12 * HOUR, 24 * HOUR, HOUR, HOUR],
      ['idle limit, with a refresh token that lives longer', HOUR, 12 * HOUR, 2 * HOUR, HOUR],
    ])('is what is left to its %s (standards: E7, E8, A19)', async (_what, idle, absolute, refresh, ttl) => {
      await create(idle, absolute, refresh);
      await expectTtl(ttl);
    });

    it('grows with the idle limit, but not beyond the absolute one', async () => {
      await create(HOUR, 3 * HOUR);
      await store.touch('one', Date.now() + 2 * HOUR);
      await expectTtl(2 * HOUR);
      await store.touch('one', Date.now() + 9 * HOUR);
      await expectTtl(3 * HOUR);
    });

    it('follows the refresh token of each replacement', async () => {
      const session = await create(2 * HOUR, 12 * HOUR, HOUR);
      await expectTtl(HOUR);
      const { refreshExpiresAtMs: _end, ...endless } = session.tokens;
      await store.replace('one', { ...session, tokens: endless }, 1);
      await expectTtl(2 * HOUR);
      const short = { ...endless, refreshExpiresAtMs: Date.now() + 0.5 * HOUR };
      await store.replace('one', { ...session, tokens: short }, 2);
      await expectTtl(0.5 * HOUR);
    });

    it('is never lost: no write leaves a record without one', async () => {
      const session = await create(HOUR, 12 * HOUR);
      await store.replace('one', renewed(session, 'access-2'), 1);
      await store.replace('one', renewed(session, 'access-3'), 1);
      await store.touch('one', Date.now() + 2 * HOUR);
      await store.touch('one', Date.now());
      await expectTtl(2 * HOUR);
    });
  });

  it('goes on when Redis has forgotten its scripts', async () => {
    const store = openStore();
    onTestFinished(() => store.close());
    await store.create('one', sampleSession(), Date.now() + 60_000);
    await client.script('FLUSH');
    expect(await store.touch('one', Date.now() + 120_000)).toBe(true);
    await client.script('FLUSH');
    expect(await store.remove('one')).toBeDefined();
  });
});

describe('what Redis holds of a session (standards: E5)', () => {
  it('shows nothing to who reads it: no token, no person, no ticket', async () => {
    const { agent, gateway, provider, advance } = await openGateway();
    await agent.signIn();
    const seal = agent.cookies.get('coatcheck')?.value ?? '';
    advance(300_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);

    const dump = await redis.dump();
    expect(dump).toContain(`${PREFIX}session:`);
    const hashes = ['hex', 'base64', 'base64url'].map((as) =>
      createHash('sha256')
        .update(seal)
        .digest(as as 'hex'),
    );
    const secrets = [...provider.secrets(), 'alice', 'Alice', 'canary', provider.issuer, seal, ...hashes];
    expect(secrets.filter((secret) => dump.includes(secret))).toEqual([]);
    expect(gateway.logs()).not.toContain(seal);
  });

  it('is of no use under another key: nobody becomes somebody else', async () => {
    const { agent, browser } = await openGateway({ config: uncached });
    await agent.signIn('/', { loginHint: 'alice' });
    const alices = await recordKey();
    const mallory = browser();
    await mallory.signIn('/', { loginHint: 'mallory' });
    const mallorys = await recordKey(alices);
    await client.copy(alices, mallorys, 'REPLACE');
    expect((await mallory.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    await mallory.signIn('/', { loginHint: 'mallory' });
    await client.copy(alices, await recordKey(alices, mallorys), 'REPLACE');
    await expectEnded(mallory);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
  });

  it('opens only as it was written: any flipped bit is a clean end', async () => {
    const { agent, gateway } = await openGateway({ config: uncached });
    await agent.signIn();
    const key = await recordKey();
    const envelope = (await client.hgetBuffer(key, 'e')) ?? Buffer.alloc(0);
    const places = [0, 1, 4, 5, 16, 17, envelope.length - 17, envelope.length - 16, envelope.length - 1];
    for (const place of places) {
      const flipped = Buffer.from(envelope);
      flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place);
      await client.hset(key, 'e', flipped);
      await expectEnded(rebornBrowser());
    }
    for (const length of [0, 1, 32, envelope.length - 1]) {
      await client.hset(key, 'e', envelope.subarray(0, length));
      await expectEnded(rebornBrowser());
    }
    await client.hset(key, 'e', envelope);
    expect((await rebornBrowser().fetch('/api/one')).status).toBe(200);
    expect(gateway.logs()).not.toContain('"level":"error"');

    /** The browser as it was after its sign-in: each answer took its cookie. */
    function rebornBrowser(): UserAgent {
      agent.setCookie(agent.cookies.lines.find(({ line }) => line.startsWith('coatcheck=Fe26'))?.line ?? '');
      return agent;
    }
  });

  it('differs between any two writes of the same', async () => {
    const store = openStore();
    onTestFinished(() => store.close());
    const session = sampleSession();
    const written = new Set<string>();
    await store.create('one', session, Date.now() + 60_000);
    for (let version = 1; version <= 10; version += 1) {
      const envelope = (await client.hgetBuffer(`${PREFIX}session:one`, 'e')) ?? Buffer.alloc(0);
      // Past the version and the key id, which are the same, nothing may repeat: neither the iv nor what follows.
      written.add(envelope.subarray(5, 17).toString('hex')).add(envelope.subarray(17, 33).toString('hex'));
      await store.replace('one', session, version);
    }
    expect(written.size).toBe(20);
  });
});

describe('the rotation of secrets (standards: E6)', () => {
  const [first, second] = [SESSION_SECRET, 'the second secret, of 32 characters'];
  const keyIdOf = async (key: string) => (await client.hgetBuffer(key, 'e'))?.readUInt32BE(1);

  it('ends nobody: what an old secret sealed is still read, and the new one writes', async () => {
    const rig = await openGateway({ config: uncached });
    const { agent, gateway } = rig;
    await agent.signIn();
    const key = await recordKey();
    const before = await keyIdOf(key);
    const login = await beginLogin(rig.browser({ like: agent }));

    gateway.gateway.replaceSecrets([second, first]);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(await keyIdOf(key)).toBe(before);
    rig.advance(300_000);
    expect((await agent.fetch('/api/two')).status).toBe(200);
    expect(await keyIdOf(key)).not.toBe(before);

    const other = rig.browser({ like: agent });
    for (const line of login.response.setCookies) other.setCookie(line);
    expect((await finishLogin(other, login)).status).toBe(303);
  });

  it('ends with the old secret what only that one sealed, and nothing else', async () => {
    const { agent, browser, gateway } = await openGateway();
    await agent.signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    gateway.gateway.replaceSecrets([second, first]);
    const younger = browser();
    await younger.signIn();
    expect((await younger.fetch('/api/one')).status).toBe(200);

    gateway.gateway.replaceSecrets([second]);
    await expectEnded(agent);
    expect((await younger.fetch('/api/one')).status).toBe(200);
  });
});

describe('two gateways on one Redis', () => {
  /** Only a message can drop what is cached for so long. */
  const cached = { session: { cache: { maxAge: '1h' } } };
  let rig: Rig;
  /** The same browser, as another gateway sees it. */
  let elsewhere: UserAgent;

  beforeEach(async () => {
    rig = await openGateway({ config: cached });
    const replica = await rig.replica();
    await rig.agent.signIn();
    elsewhere = rig.browser({ like: rig.agent, at: replica });
    await vi.waitUntil(async () => (await loadsOf(elsewhere)) === 0, PATIENCE);
  });

  /** How many times a request of this browser makes its gateway read a record. */
  const loadsOf = async (agent: UserAgent) => {
    const count = async () =>
      Number(/cmdstat_hmget:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const before = await count();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    return (await count()) - before;
  };
  const bearers = () => rig.upstream.requests.map(({ bearer }) => bearer);
  const cutSubscriptions = () => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const subscriptions = async () => {
    const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
  };

  it('both see at once what one of them changed', async () => {
    const [token] = bearers();
    rig.provider.revokeAccessToken(token ?? '');
    expect((await rig.agent.fetch('/api/refreshed')).status).toBe(200);
    const renewedToken = bearers().at(-1);
    expect(renewedToken).not.toBe(token);
    await vi.waitFor(async () => {
      await elsewhere.fetch('/auth/session');
      expect(await loadsOf(elsewhere)).toBe(0);
      expect(bearers().at(-1)).toBe(renewedToken);
    }, PATIENCE);
    expect(rig.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('both see at once what one of them ended', async () => {
    await rig.agent.fetch('/auth/logout', { method: 'POST' });
    await vi.waitFor(async () => {
      expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    }, PATIENCE);
  });

  it('serve nothing from memory while messages may be missed, and do so again when they cannot', async () => {
    await client.call('ACL', 'SETUSER', 'default', '-subscribe');
    onTestFinished(() => void client.call('ACL', 'SETUSER', 'default', '+subscribe'));
    await cutSubscriptions();
    await vi.waitFor(async () => expect(await loadsOf(elsewhere)).toBe(1), PATIENCE);
    expect(await loadsOf(elsewhere)).toBe(1);
    // Nobody tells of this end: it is seen because the record is read.
    const key = await recordKey();
    const record = await client.dumpBuffer(key);
    await client.del(key);
    await expectEnded(elsewhere);

    await client.restore(key, 0, record ?? Buffer.alloc(0));
    elsewhere = rig.browser({ like: rig.agent });
    await client.call('ACL', 'SETUSER', 'default', '+subscribe');
    await vi.waitFor(async () => expect(await loadsOf(elsewhere)).toBe(0), PATIENCE);
  });

  it('forget what they hold when their subscription was cut for a moment', async () => {
    const before = await subscriptions();
    await client.del(await recordKey());
    await cutSubscriptions();
    await vi.waitFor(async () => {
      const after = await subscriptions();
      expect(after).toHaveLength(before.length);
      expect(after.filter((id) => before.includes(id))).toEqual([]);
    }, PATIENCE);
    expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });
});

describe('the load on Redis', () => {
  it('never scans, and a request that needs no write makes none', async () => {
    const rig = await openGateway();
    await rig.agent.signIn();
    await client.config('RESETSTAT');
    for (let call = 0; call < 5; call += 1) await rig.agent.fetch(`/api/${call}`);
    expect(await commands()).not.toContain('evalsha');

    rig.advance(120_000);
    await rig.agent.fetch('/api/touched');
    rig.advance(180_000);
    await rig.agent.fetch('/api/refreshed');
    await rig.agent.fetch('/auth/session');
    await rig.agent.signIn();
    await rig.agent.fetch('/auth/logout', { method: 'POST' });
    await fetch(`${rig.gateway.adminUrl}/readyz`);
    const used = await commands();
    expect(used).toContain('evalsha');
    const sweeping = [
      'keys',
      'scan',
      'hscan',
      'sscan',
      'zscan',
      'hgetall',
      'smembers',
      'lrange',
      'zrange',
      'sort',
    ];
    const heavy = [...sweeping, 'randomkey', 'dbsize', 'flushdb', 'flushall', 'monitor', 'client|list'];
    expect(used.filter((name) => heavy.includes(name))).toEqual([]);
  });

  const commands = async () => {
    const stats = await client.info('commandstats');
    return [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = '']) => name);
  };
});
