import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createBlindIndex } from '../../../src/crypto/blind-index.ts';
import { createEnvelopes } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedTimes } from '../../../src/crypto/sealed-time.ts';
import { GatewayError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createRedisConnection, type RedisConnection } from '../../../src/redis/connection.ts';
import { createRecordCodec } from '../../../src/sessions/store/record/record.ts';
import { createRedisStore } from '../../../src/sessions/store/redis/store.ts';
import type { SessionStore } from '../../../src/sessions/store/store.ts';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';
import { beginLogin, finishLogin } from '../../../testkit/gateway/login-steps.ts';
import { GATEWAY_NAME, type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import {
  type TestGateway,
  type TestGatewayOptions,
  openTestGateway,
} from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { allOf } from './all-of.ts';
import { refreshed, sampleData } from './sample.ts';
import { describeStoreContract } from './store-contract.ts';

const PREFIX = 'coatcheck:';
/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
/** A Redis connection of the test itself. */
let client: Redis;

const withSecrets = (...secrets: string[]) => ({ session: { secrets } });

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.rootUrl);
});

afterEach(async () => {
  await client.flushall();
});

afterAll(async () => {
  client.disconnect();
  await redis.close();
});

/** `wrap` may intercept the Redis operations of the store. */
type StoreOptions = { secrets?: string[]; wrap?: (connection: RedisConnection) => RedisConnection };

function openStore({ secrets = [SESSION_SECRET], wrap }: StoreOptions = {}): SessionStore {
  const log = createLogger({ level: 'fatal', format: 'json' });
  const metrics = createMetrics();
  const connection = createRedisConnection({
    address: { kind: 'redis', url: redis.url },
    log,
    metrics,
  });
  const keyRing = createKeyRing(secrets);
  const codec = createRecordCodec(createEnvelopes(keyRing));
  const blindIndex = createBlindIndex(keyRing);
  const redisConnection = wrap?.(connection) ?? connection;
  return createRedisStore({
    redis: redisConnection,
    codec,
    idleLimits: createSealedTimes(keyRing),
    blindIndex,
    keyPrefix: PREFIX,
    clock: Date.now,
    log,
    metrics,
  });
}

/** Opens a store that closes after the test. */
function openStoreHere(options?: StoreOptions): SessionStore {
  const store = openStore(options);
  onTestFinished(() => store.close());
  return store;
}

/** Opens a gateway on the Redis of this file, which closes after the test. */
async function openGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const testGateway = await openTestGateway({ store: redis.url, ...options });
  onTestFinished(() => testGateway.close());
  return testGateway;
}

/** The key of the only session record that is not in `known`. */
async function recordKey(...known: string[]): Promise<string> {
  const keys = (await client.keys(`${PREFIX}session:*`)).filter((key) => !known.includes(key));
  expect(keys).toHaveLength(1);
  return keys[0] ?? '';
}

/** Expects a `session_expired` response that clears the cookie. */
async function expectEnded(agent: UserAgent): Promise<void> {
  const response = await agent.fetch('/api/one');
  expect(response.json()).toMatchObject({ status: 401, code: 'session_expired' });
  expect(response.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
}

/** No cache, so that each request reads the record. */
const uncached = { session: { cache: { maxAge: '0s' } } };

describe('the Redis store', () => {
  describeStoreContract(async () => openStore());

  describe('the TTL of a record', () => {
    const HOUR = 3_600_000;
    let store: SessionStore;

    beforeEach(() => {
      store = openStore();
    });

    afterEach(() => store.close());

    /** Expects this TTL, less the few seconds that the test has taken. */
    const expectTtl = async (ms: number) => {
      const ttl = await client.pttl(await recordKey());
      expect(ttl).toBeLessThanOrEqual(ms);
      expect(ttl).toBeGreaterThan(ms - 10_000);
    };
    const create = (idleMs: number, absoluteMs: number, refreshMs?: number) => {
      const now = Date.now();
      const { tokens } = sampleData();
      const data = sampleData({
        absoluteExpiresAtMs: now + absoluteMs,
        tokens: { ...tokens, ...(refreshMs && { refreshExpiresAtMs: now + refreshMs }) },
      });
      return store.create('one', data, now + idleMs).then(() => data);
    };

    it.each([
      ['idle limit', 0.5 * HOUR, 12 * HOUR, undefined, 0.5 * HOUR],
      ['absolute limit', 12 * HOUR, 2 * HOUR, undefined, 2 * HOUR],
      ['refresh token expiry', 12 * HOUR, 24 * HOUR, HOUR, HOUR],
      ['idle limit when the refresh token expires later', HOUR, 12 * HOUR, 2 * HOUR, HOUR],
    ])('is the time left to its %s (standards: E7, E8, A19)', async (_what, idle, absolute, refresh, ttl) => {
      await create(idle, absolute, refresh);
      await expectTtl(ttl);
    });

    it('grows with the idle limit but not beyond the absolute limit', async () => {
      await create(HOUR, 3 * HOUR);
      await store.touch('one', Date.now() + 2 * HOUR);
      await expectTtl(2 * HOUR);
      await store.touch('one', Date.now() + 9 * HOUR);
      await expectTtl(3 * HOUR);
    });

    it('follows the refresh token of each replacement', async () => {
      const data = await create(2 * HOUR, 12 * HOUR, HOUR);
      await expectTtl(HOUR);
      const { refreshExpiresAtMs: _end, ...endless } = data.tokens;
      await store.replace('one', { ...data, tokens: endless }, 1);
      await expectTtl(2 * HOUR);
      const short = { ...endless, refreshExpiresAtMs: Date.now() + 0.5 * HOUR };
      await store.replace('one', { ...data, tokens: short }, 2);
      await expectTtl(0.5 * HOUR);
    });

    it('is present after every write', async () => {
      const data = await create(HOUR, 12 * HOUR);
      await store.replace('one', refreshed(data, 'access-2'), 1);
      await store.replace('one', refreshed(data, 'access-3'), 1);
      await store.touch('one', Date.now() + 2 * HOUR);
      await store.touch('one', Date.now());
      await expectTtl(2 * HOUR);
    });
  });

  it('recognizes its own write whose reply was lost, and no other one', async () => {
    let losesReply = true;
    const store = openStoreHere({
      wrap: (connection) => ({
        ...connection,
        async evaluate(operation, ...rest) {
          const reply = await connection.evaluate(operation, ...rest);
          if (operation !== 'replace' || !losesReply) return reply;
          losesReply = false;
          throw new GatewayError('store_unavailable');
        },
      }),
    });
    const data = refreshed(sampleData(), 'access-2');
    await store.create('one', sampleData(), Date.now() + 60_000);
    await expect(store.replace('one', data, 1)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await store.replace('one', refreshed(sampleData(), 'access-3'), 1)).toBe('conflict');
    expect(await store.replace('one', data, 1)).toBe('replaced');
    expect(await store.loadRecord('one')).toMatchObject({ version: 2, data });
    await store.replace('one', refreshed(sampleData(), 'access-3'), 2);
    expect(await store.replace('one', data, 1)).toBe('conflict');
  });

  it('works after Redis has lost its scripts', async () => {
    const store = openStore();
    onTestFinished(() => store.close());
    await store.create('one', sampleData(), Date.now() + 60_000);
    await client.script('FLUSH');
    expect(await store.touch('one', Date.now() + 120_000)).toBe(true);
    await client.script('FLUSH');
    expect(await store.remove('one')).toBeDefined();
  });
});

describe('a session record in Redis (standards: E5)', () => {
  it('reveals no token, user or session cookie', async () => {
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

  it('does not open under another key', async () => {
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

  it('ends the session cleanly when any bit is flipped or it is truncated', async () => {
    const { agent, gateway } = await openGateway({ config: uncached });
    await agent.signIn();
    const key = await recordKey();
    const envelope = (await client.hgetBuffer(key, 'e')) ?? Buffer.alloc(0);
    const places = [0, 5, 16, 17, envelope.length - 17, envelope.length - 16, envelope.length - 1];
    for (const place of places) {
      const flipped = Buffer.from(envelope);
      flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place);
      await client.hset(key, 'e', flipped);
      await expectEnded(browserWithCookie());
    }
    for (const length of [0, 1, 32, envelope.length - 1]) {
      await client.hset(key, 'e', envelope.subarray(0, length));
      await expectEnded(browserWithCookie());
    }
    // The bytes of the key id: another process may have the secret of this id, so the session is kept.
    for (const place of [1, 4]) {
      const flipped = Buffer.from(envelope);
      flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place);
      await client.hset(key, 'e', flipped);
      const response = await browserWithCookie().fetch('/api/one');
      expect(response.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(response.header('retry-after')).toBe('5');
      expect(response.setCookies).toEqual([]);
    }
    await client.hset(key, 'e', envelope);
    expect((await browserWithCookie().fetch('/api/one')).status).toBe(200);
    expect(gateway.logs()).not.toContain('"level":"error"');
    expect(gateway.logs().match(/"reason":"unreadable"/g)).toHaveLength(1);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('coatcheck_sessions_ended_total{reason="unreadable"} 1\n');

    /** The browser with its session cookie restored, which each response cleared. */
    function browserWithCookie(): UserAgent {
      agent.setCookie(agent.cookies.lines.find(({ line }) => line.startsWith('coatcheck=Fe26'))?.line ?? '');
      return agent;
    }
  });

  it('differs between any two writes of the same session', async () => {
    const store = openStore();
    onTestFinished(() => store.close());
    const data = sampleData();
    const written = new Set<string>();
    await store.create('one', data, Date.now() + 60_000);
    for (let version = 1; version <= 10; version += 1) {
      const envelope = (await client.hgetBuffer(await recordKey(), 'e')) ?? Buffer.alloc(0);
      // After the version and the key id, which are constant, nothing may repeat: neither the iv nor the ciphertext.
      written.add(envelope.subarray(5, 17).toString('hex')).add(envelope.subarray(17, 33).toString('hex'));
      await store.replace('one', data, version);
    }
    expect(written.size).toBe(20);
  });
});

describe('the indexes of sessions in Redis (standards: D17)', () => {
  /** All keys but the generation, which every session shares. */
  const sessionKeys = async () => (await client.keys('*')).filter((key) => !key.endsWith(':generation'));
  const HOUR = 3_600_000;
  const issuer = 'https://login.example.test';
  const alice = { kind: 'subject', issuer, id: 'alice' } as const;
  const atProvider = { kind: 'sid', issuer, id: 'sid-1' } as const;
  const newData = (absoluteMs = HOUR) =>
    sampleData({ providerSessionId: 'sid-1', absoluteExpiresAtMs: Date.now() + absoluteMs });
  const indexKeys = async () =>
    [...(await client.keys(`${PREFIX}subject:*`)), ...(await client.keys(`${PREFIX}sid:*`))].toSorted(
      (a, b) => a.localeCompare(b),
    );

  /** Pauses the scripts of one operation until `release`; `hasStarted` settles at the first call. */
  const pauseOperation = (pausedOperation: string) => {
    const hasStarted = Promise.withResolvers<void>();
    const mayContinue = Promise.withResolvers<void>();
    const wrap = (connection: RedisConnection): RedisConnection => ({
      ...connection,
      async evaluate(operation, ...rest) {
        if (operation === pausedOperation) {
          hasStarted.resolve();
          await mayContinue.promise;
        }
        return connection.evaluate(operation, ...rest);
      },
    });
    return { wrap, hasStarted: hasStarted.promise, release: mayContinue.resolve };
  };

  it('expire with the last session in them and are removed with it', async () => {
    const store = openStoreHere();
    await store.create('one', newData(2 * HOUR), Date.now() + HOUR);
    await store.create('two', newData(HOUR), Date.now() + HOUR);
    for (const key of await indexKeys()) {
      const ttl = await client.pttl(key);
      expect(ttl).toBeLessThanOrEqual(2 * HOUR + 1);
      expect(ttl).toBeGreaterThan(2 * HOUR - 10_000);
    }
    expect(await indexKeys()).toHaveLength(2);
    await store.remove('one');
    await store.remove('two');
    expect(await indexKeys()).toEqual([]);
  });

  it('drop expired entries when a session begins', async () => {
    const store = openStoreHere();
    await store.create('short', newData(2_000), Date.now() + HOUR);
    await store.create('long', newData(), Date.now() + HOUR);
    const [index = ''] = await indexKeys();
    expect(await client.zcard(index)).toBe(2);
    await vi.waitFor(async () => expect(await store.loadRecord('short')).toBeUndefined(), POLLING);
    await store.create('next', newData(), Date.now() + HOUR);
    expect(await client.zcard(index)).toBe(2);
  });

  it('drop ended sessions when they are read', async () => {
    const store = openStoreHere();
    await store.create('idle', newData(), Date.now() + 200);
    await store.create('used', newData(), Date.now() + HOUR);
    await vi.waitFor(async () => expect(await store.loadRecord('idle')).toBeUndefined(), POLLING);
    expect(await allOf(store, alice)).toMatchObject([{ key: 'used' }]);
    const [, index = ''] = await indexKeys();
    expect(await client.zcard(index)).toBe(1);
  });

  it('reveal no subject, not even by hashing guesses (standards: E5)', async () => {
    const store = openStoreHere();
    await store.create('one', newData(), Date.now() + HOUR);
    await store.putMarker(['end', 'subject', issuer, 'alice'], 'x', HOUR);
    const dump = await redis.dump();
    const texts = [
      'alice',
      `${issuer}alice`,
      `${issuer}\0alice`,
      JSON.stringify(['subject', issuer, 'alice']),
    ];
    const digests = texts.flatMap((text) =>
      (['hex', 'base64', 'base64url'] as const).map((as) =>
        createHash('sha256').update(text).digest(as).slice(0, 16),
      ),
    );
    expect([...texts, ...digests].filter((secret) => dump.includes(secret))).toEqual([]);
  });

  it('are found with every active secret and with no removed secret (standards: E6)', async () => {
    const second = 'second-secret-hN4tWq8sXc6JpE2vKd9R5yGu';
    await openStoreHere().create('old', newData(), Date.now() + HOUR);
    const both = openStoreHere({ secrets: [second, SESSION_SECRET] });
    await both.create('new', newData(), Date.now() + HOUR);
    const keys = async (store: SessionStore) => (await allOf(store, alice)).map(({ key }) => key).toSorted();
    expect(await keys(both)).toEqual(['new', 'old']);
    expect(await keys(openStoreHere({ secrets: [second] }))).toEqual(['new']);
    await both.remove('old');
    await both.remove('new');
    expect(await indexKeys()).toEqual([]);
  });

  it('takes and replaces a marker whose name is of an older secret (standards: C28, E6)', async () => {
    const second = 'second-secret-hN4tWq8sXc6JpE2vKd9R5yGu';
    const older = openStoreHere();
    const both = openStoreHere({ secrets: [second, SESSION_SECRET] });
    await older.putMarker(['kind'], 'one', HOUR);
    expect(await both.putMarker(['kind'], 'two', HOUR, 'if_absent')).toBe(false);
    expect(await both.putMarker(['kind'], 'three', HOUR, 'if_present')).toBe(true);
    expect(await older.getMarker(['kind'])).toBe('three');
    expect(await both.takeMarker(['kind'])).toBe('three');
    expect(await older.getMarker(['kind'])).toBeUndefined();
    expect(await both.takeMarker(['kind'])).toBeUndefined();
  });

  it('marks something once while processes order the same secrets differently (standards: C28, E6)', async () => {
    const second = 'second-secret-hN4tWq8sXc6JpE2vKd9R5yGu';
    const rotating = [second, SESSION_SECRET];
    const open = (secrets: string[]) => openStoreHere({ secrets });
    const both = [open(rotating), open(rotating.toReversed())];
    for (const [at, store] of rotating.map((secret) => open([secret])).entries()) {
      const marked = await Promise.all(
        [...both, store].map((each) => each.putMarker(['kind', `${at}`], 'one', HOUR, 'if_absent')),
      );
      expect(marked.filter(Boolean)).toHaveLength(1);
    }
  });

  it('keep entries that only another process can open', async () => {
    const second = 'second-secret-hN4tWq8sXc6JpE2vKd9R5yGu';
    const other = openStoreHere({ secrets: [SESSION_SECRET, second] });
    await other.create('one', newData(), Date.now() + HOUR);
    const record = (await client.hgetBuffer(await recordKey(), 'e')) ?? Buffer.alloc(0);
    await client.hset(await recordKey(), 'e', Buffer.from(record).fill(0, 1, 5));
    expect(await allOf(other, alice)).toEqual([]);
    await client.hset(await recordKey(), 'e', record);
    expect(await allOf(other, alice)).toMatchObject([{ key: 'one' }]);
  });

  it.each([1, 2, 3, 4, 5])(
    'hide no session and leave no key without TTL when a process dies at step %i of a sign-in',
    async (step) => {
      let steps = 0;
      const dying = openStoreHere({
        wrap: (connection) => ({
          ...connection,
          evaluate: (operation, ...rest) => {
            // All sessions share one generation, which exists before the first of them.
            if (operation === 'generation') return connection.evaluate(operation, ...rest);
            steps += 1;
            return steps >= step
              ? Promise.reject(new Error('the process is dead'))
              : connection.evaluate(operation, ...rest);
          },
        }),
      });
      await expect(dying.create('one', newData(), Date.now() + HOUR)).rejects.toThrow('dead');
      const store = openStoreHere();
      const isThere = (await store.loadRecord('one')) !== undefined;
      expect(isThere).toBe(step > 3);
      for (const owner of [alice, atProvider])
        expect(await allOf(store, owner)).toHaveLength(isThere ? 1 : 0);
      for (const key of await sessionKeys()) expect(await client.pttl(key)).toBeGreaterThan(0);
    },
  );

  it.each(['before', 'after'])(
    'keep a session that begins during a read which removes its entry %s the record is written',
    async (moment) => {
      const creation = pauseOperation('create');
      const removal = pauseOperation('index');
      const creating = openStoreHere({ wrap: creation.wrap }).create('one', newData(), Date.now() + HOUR);
      await creation.hasStarted;
      // The other process finds an entry without a record.
      const reading = allOf(openStoreHere({ wrap: removal.wrap }), alice);
      await removal.hasStarted;
      if (moment === 'before') {
        removal.release();
        await reading;
      }
      creation.release();
      await creating;
      removal.release();
      expect(await reading).toEqual([]);
      expect(await allOf(openStoreHere(), alice)).toMatchObject([{ key: 'one' }]);
    },
  );

  it('use at most 3.5 kB together with a session with tokens of 1.1 kB', async () => {
    const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const sign = (claims: Record<string, unknown>) => {
      const header = base64({ alg: 'RS256', typ: 'JWT', kid: 'k'.repeat(43) });
      const padded = { ...claims, pad: 'p'.repeat(490 - JSON.stringify(claims).length) };
      const signature = Buffer.alloc(256, 0xa5).toString('base64url');
      return { claims: padded, token: `${header}.${base64(padded)}.${signature}` };
    };
    const sub = '3c6e0b8a-9c15-4d61-a8f5-7d2e4b0f1c93';
    const common = { iss: 'https://login.example.com/realms/acme', sub, sid: sub, exp: 1_790_000_000 };
    const idToken = sign({ ...common, aud: 'web', nonce: 'n'.repeat(43), email: 'ada@example.com' });
    const accessToken = sign({ ...common, aud: 'https://api.example.com', scope: 'openid profile email' });
    expect(idToken.token.length + accessToken.token.length).toBeGreaterThan(2_200);

    const now = Date.now();
    const token = {
      value: accessToken.token,
      obtainedAtMs: now,
      expiresAtMs: now,
      scope: 'openid profile email',
    };
    await openStoreHere().create(
      'k'.repeat(22),
      {
        issuer: common.iss,
        subject: sub,
        providerSessionId: sub,
        signedInAtSeconds: 1_790_000_000,
        claims: idToken.claims,
        tokens: { access: { '': token }, refreshToken: 'r'.repeat(64), idToken: idToken.token },
        createdAtMs: now,
        absoluteExpiresAtMs: now + HOUR,
        generation: now,
      },
      now + HOUR,
    );
    const keys = await sessionKeys();
    const sizes = await Promise.all(keys.map((key) => client.memory('USAGE', key)));
    expect(keys).toHaveLength(3);
    expect(sizes.reduce<number>((sum, size) => sum + Number(size), 0)).toBeLessThanOrEqual(3_500);
  });
});

const [first, second] = [SESSION_SECRET, 'second-secret-hN4tWq8sXc6JpE2vKd9R5yGu'];

describe('the rotation of session secrets (standards: E6)', () => {
  const keyIdOf = async (key: string) => (await client.hgetBuffer(key, 'e'))?.readUInt32BE(1);

  it('ends no session: records under the old secret are read and new ones use the new secret', async () => {
    const testGateway = await openGateway({ config: uncached });
    const { agent, gateway } = testGateway;
    await agent.signIn();
    const key = await recordKey();
    const before = await keyIdOf(key);
    const login = await beginLogin(testGateway.browser({ like: agent }));

    await gateway.reload(withSecrets(second, first));
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(await keyIdOf(key)).toBe(before);
    testGateway.advance(300_000);
    expect((await agent.fetch('/api/two')).status).toBe(200);
    expect(await keyIdOf(key)).not.toBe(before);

    const other = testGateway.browser({ like: agent });
    for (const line of login.response.setCookies) other.setCookie(line);
    expect((await finishLogin(other, login)).status).toBe(303);
  });

  it('ends only the sessions sealed with the removed secret', async () => {
    const { agent, browser, gateway } = await openGateway();
    await agent.signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    await gateway.reload(withSecrets(second, first));
    const younger = browser();
    await younger.signIn();
    expect((await younger.fetch('/api/one')).status).toBe(200);

    await gateway.reload(withSecrets(second));
    const refused = await agent.fetch('/api/one');
    expect(refused.json()).toMatchObject({ status: 401, code: 'session_required' });
    expect(refused.setCookies).toEqual([]);
    expect((await younger.fetch('/api/one')).status).toBe(200);
  });
});

describe('the removal of a session secret that may have leaked', () => {
  const families = (testGateway: TestGateway) =>
    testGateway.provider.families.map(({ endedBecause }) => endedBecause);
  const sessionKeys = () => client.keys(`${PREFIX}session:*`);
  const done = 'ended the sessions of removed secrets';

  it('ends the sessions that it seals, revokes their refresh tokens, closes their sockets and logs this', async () => {
    const testGateway = await openGateway();
    const { agent, gateway } = testGateway;
    await agent.signIn('/', { loginHint: 'alice' });
    const socket = await agent.websocket('/socket/live');
    await gateway.reload(withSecrets(second, first));
    const younger = testGateway.browser();
    await younger.signIn('/', { loginHint: 'bob' });

    await gateway.reload(withSecrets(second));
    await vi.waitFor(() => expect(gateway.logs()).toContain(done), POLLING);
    expect(families(testGateway)).toEqual(['revoked', undefined]);
    expect(await sessionKeys()).toHaveLength(1);
    expect(await client.keys(`${PREFIX}subject:*`)).toHaveLength(1);
    expect(await socket.closed).toMatchObject({ code: 1008 });
    expect(gateway.logs()).toMatch(/"ended":1,"msg":"ended the sessions of removed secrets/);
    expect(gateway.logs()).toMatch(/"session":"[\w-]{22}","reason":"secret_removed","msg":"session ended"/);
    expect((await younger.fetch('/api/one')).status).toBe(200);
  });

  it('ends a session whose record another secret seals by now, because its cookie is still sealed with the old one', async () => {
    const testGateway = await openGateway();
    const { agent, gateway } = testGateway;
    await agent.signIn();
    await gateway.reload(withSecrets(second, first));
    testGateway.advance(300_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    await gateway.reload(withSecrets(second));
    await vi.waitFor(() => expect(gateway.logs()).toContain(done), POLLING);
    expect(families(testGateway)).toEqual(['revoked']);
    expect(await sessionKeys()).toEqual([]);
  });

  it('revokes each of many sessions once, even if two replicas remove the secret', async () => {
    const testGateway = await openGateway();
    const replica = await testGateway.replica();
    const gateways = [testGateway.gateway, replica];
    for (let count = 0; count < 20; count += 1) await testGateway.browser().signIn();
    for (const gateway of gateways) await gateway.reload(withSecrets(second));
    for (const gateway of gateways) await vi.waitFor(() => expect(gateway.logs()).toContain(done), POLLING);
    expect(families(testGateway)).toEqual(Array(20).fill('revoked'));
    const ended = gateways.map(({ logs }) => Number(/"ended":(\d+)/.exec(logs())?.[1]));
    expect(ended.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  it('queues the revocations while the provider is down, and logs when Redis is down', async () => {
    const testGateway = await openGateway();
    const { agent, gateway, provider } = testGateway;
    await agent.signIn();
    provider.faults.revoke = { status: 503 };
    await gateway.reload(withSecrets(second));
    await vi.waitFor(() => expect(gateway.logs()).toContain(done), POLLING);
    expect(await sessionKeys()).toEqual([]);
    delete provider.faults.revoke;
    await vi.waitFor(() => expect(families(testGateway)).toEqual(['revoked']), POLLING);

    await client.acl('SETUSER', GATEWAY_NAME, '-scan');
    await gateway.reload(withSecrets(first));
    await vi.waitFor(
      () => expect(gateway.logs()).toContain('could not find all sessions of removed secrets'),
      POLLING,
    );
    await client.acl('SETUSER', GATEWAY_NAME, '+scan');
  });
});

it('a replica that never saw a session logs and counts once that it is gone, with the reason not_found', async () => {
  const testGateway = await openGateway();
  await testGateway.agent.signIn();
  const replica = await testGateway.replica();
  const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
  await client.del(await recordKey());
  const cookie = testGateway.agent.cookies.get('coatcheck')?.value ?? '';
  for (let count = 0; count < 3; count += 1) {
    elsewhere.setCookie(`coatcheck=${cookie}`);
    expect((await elsewhere.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  }
  expect(replica.logs().match(/"reason":"not_found","msg":"session not found/g)).toHaveLength(1);
  const text = await (await fetch(`${replica.adminUrl}/metrics`)).text();
  expect(text).toContain('coatcheck_sessions_ended_total{reason="not_found"} 1\n');
});

describe('a replica that lacks the newest secret, in a rolling restart', () => {
  it('responds 503 to a cookie of the newest secret, keeps it, and logs its key once (standards: E6)', async () => {
    const newest = await openGateway();
    await newest.gateway.reload(withSecrets(second, first));
    await newest.agent.signIn();
    const late = await newest.replica();
    await late.reload(withSecrets(first));
    const elsewhere = newest.browser({ like: newest.agent, at: late });

    for (const path of ['/api/one', '/optional/one', '/auth/session', '/auth/sessions', '/api/two']) {
      const response = await elsewhere.fetch(path);
      expect(response.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(response.header('retry-after')).toBe('5');
      expect(response.setCookies).toEqual([]);
    }
    expect(late.logs().match(/"keyId":\d+.*this one lacks/g)).toHaveLength(1);

    expect((await newest.agent.fetch('/api/one')).status).toBe(200);
    await late.reload(withSecrets(second, first));
    expect((await elsewhere.fetch('/api/one')).status).toBe(200);
  });

  it('treats a cookie whose secret no process has as none, and lets its browser sign in', async () => {
    const gone = await openGateway();
    await gone.gateway.reload(withSecrets(second, first));
    await gone.agent.signIn();
    await client.flushall();
    const late = await gone.replica();
    await late.reload(withSecrets(first));
    const elsewhere = gone.browser({ like: gone.agent, at: late });
    const keys = `${PREFIX}keys`;
    // The replica has announced its key, and the process with the other one has ended long ago.
    await vi.waitFor(async () => expect(await client.zcard(keys)).toBeGreaterThan(0), POLLING);
    const newestId = /Fe26\.2\*(\d+)/.exec(gone.agent.cookies.get('coatcheck')?.value ?? '')?.[1] ?? '';
    await client.zrem(keys, newestId);

    const call = await elsewhere.fetch('/api/one');
    expect(call.json()).toMatchObject({ status: 401, code: 'session_required' });
    expect(call.setCookies).toEqual([]);
    expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    await elsewhere.signIn();
    expect((await elsewhere.fetch('/api/one')).status).toBe(200);
  });

  it('does not say "signed out" under a cookie of the newest secret, and the other replica ends the session', async () => {
    const newest = await openGateway();
    await newest.gateway.reload(withSecrets(second, first));
    await newest.agent.signIn();
    const late = await newest.replica();
    await late.reload(withSecrets(first));
    const elsewhere = newest.browser({ like: newest.agent, at: late });

    const refused = await elsewhere.fetch('/auth/logout', { method: 'POST' });
    expect(refused.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
    expect(refused.header('retry-after')).toBe('5');
    expect(refused.setCookies).toEqual([]);
    expect((await newest.agent.fetch('/api/one')).status).toBe(200);

    expect((await newest.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(await client.keys(`${PREFIX}session:*`)).toEqual([]);
  });

  it('responds 503 while a record is sealed with a secret that only the other replica has (standards: E6)', async () => {
    const testGateway = await openGateway({ config: uncached });
    await testGateway.agent.signIn();
    const ahead = await testGateway.replica();
    await ahead.reload(withSecrets(second, first));
    testGateway.advance(300_000);
    expect((await testGateway.browser({ like: testGateway.agent, at: ahead }).fetch('/api/one')).status).toBe(
      200,
    );

    for (const path of ['/api/one', '/auth/session', '/api/two']) {
      const response = await testGateway.agent.fetch(path);
      expect(response.json()).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(response.setCookies).toEqual([]);
    }
    expect(testGateway.gateway.logs().match(/"keyId":\d+.*records are sealed with a secret/g)).toHaveLength(
      1,
    );
    await testGateway.gateway.reload(withSecrets(second, first));
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });
});

describe('two gateways with one Redis', () => {
  /** Entries do not expire during a test, so that only a message can drop them. */
  const cached = { session: { cache: { maxAge: '1h' } } };
  let testGateway: TestGateway;
  /** The same browser at the other gateway. */
  let elsewhere: UserAgent;

  beforeEach(async () => {
    testGateway = await openGateway({ config: cached });
    const replica = await testGateway.replica();
    await testGateway.agent.signIn();
    elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
    await vi.waitUntil(async () => (await loadsOf(elsewhere)) === 0, POLLING);
  });

  /** The number of record reads that one request of this browser causes. */
  const loadsOf = async (agent: UserAgent) => {
    const count = async () =>
      Number(/cmdstat_hmget:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const before = await count();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    return (await count()) - before;
  };
  const bearers = () => testGateway.upstream.requests.map(({ bearer }) => bearer);
  const cutSubscriptions = () => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const subscriptions = async () => {
    const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
  };

  it('both see a change by one of them at once', async () => {
    const [token] = bearers();
    testGateway.provider.revokeAccessToken(token ?? '');
    expect((await testGateway.agent.fetch('/api/refreshed')).status).toBe(200);
    const refreshedToken = bearers().at(-1);
    expect(refreshedToken).not.toBe(token);
    await vi.waitFor(async () => {
      await elsewhere.fetch('/auth/session');
      expect(await loadsOf(elsewhere)).toBe(0);
      expect(bearers().at(-1)).toBe(refreshedToken);
    }, POLLING);
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('both see the end of a session at once', async () => {
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    await vi.waitFor(async () => {
      expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    }, POLLING);
  });

  it('bypass the cache while their subscription is down and use it again afterwards', async () => {
    await client.call('ACL', 'SETUSER', GATEWAY_NAME, '-subscribe');
    onTestFinished(() => void client.call('ACL', 'SETUSER', GATEWAY_NAME, '+subscribe'));
    await cutSubscriptions();
    await vi.waitFor(async () => expect(await loadsOf(elsewhere)).toBe(1), POLLING);
    expect(await loadsOf(elsewhere)).toBe(1);
    // Deletes the record without a message: the gateway notices only if it reads the record.
    const key = await recordKey();
    const record = await client.dumpBuffer(key);
    await client.del(key);
    await expectEnded(elsewhere);

    await client.restore(key, 0, record ?? Buffer.alloc(0));
    elsewhere = testGateway.browser({ like: testGateway.agent });
    await client.call('ACL', 'SETUSER', GATEWAY_NAME, '+subscribe');
    await vi.waitFor(async () => expect(await loadsOf(elsewhere)).toBe(0), POLLING);
  });

  it('clear the cache after a short interruption of their subscription', async () => {
    const before = await subscriptions();
    await client.del(await recordKey());
    await cutSubscriptions();
    await vi.waitFor(async () => {
      const after = await subscriptions();
      expect(after).toHaveLength(before.length);
      expect(after.filter((id) => before.includes(id))).toEqual([]);
    }, POLLING);
    expect((await elsewhere.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });
});

describe('the load on Redis', () => {
  it('includes no scan and no write for a request that needs none', async () => {
    const testGateway = await openGateway();
    await testGateway.agent.signIn();
    await client.config('RESETSTAT');
    for (let call = 0; call < 5; call += 1) await testGateway.agent.fetch(`/api/${call}`);
    expect(await commands()).not.toContain('evalsha');

    testGateway.advance(120_000);
    await testGateway.agent.fetch('/api/touched');
    testGateway.advance(180_000);
    await testGateway.agent.fetch('/api/refreshed');
    await testGateway.agent.fetch('/auth/session');
    await testGateway.agent.signIn();
    await testGateway.agent.fetch('/auth/sessions');
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    await fetch(`${testGateway.gateway.adminUrl}/readyz`);
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
