import { hash } from 'node:crypto';
import type { BlindIndex } from '../../crypto/blind-index.ts';
import { UnknownKeyError } from '../../crypto/envelope.ts';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { openChannel } from '../../redis/channel.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import type { RecordCodec } from './record.ts';
import { createRedisGeneration } from './redis-generation.ts';
import { createRedisIndex, type Entry } from './redis-index.ts';
import {
  sessionView,
  sessionEndsAtMs,
  sessionRecord,
  type SessionView,
  type SessionData,
  type SessionRecord,
} from '../session.ts';
import type { ReplaceResult, SessionChange, SessionStore } from './store.ts';

/** When a client may try again whose session another process's secret sealed: a rolling restart is under way. */
const UNKNOWN_KEY_RETRY_SECONDS = 5;

type RedisStoreDeps = {
  redis: RedisConnection;
  codec: RecordCodec;
  blindIndex: BlindIndex;
  keyPrefix: string;
  clock: () => number;
  log: Logger;
};

/*
 * A record is a hash: `v` version, `e` envelope, `i` idle limit, `a` end (milliseconds since the epoch; Redis knows no
 * claims and no tokens). Its TTL is what is left of the nearer of the two. Every script touches one key, so that it runs
 * on a cluster, and announces what it did on the change channel in the same step.
 */
const setTtl = `
  local function expire(key, now)
    local i, a = tonumber(redis.call('HGET', key, 'i')), tonumber(redis.call('HGET', key, 'a'))
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, math.min(i, a) - now)))
  end`;

/** KEYS record · ARGV now, envelope, idle limit, end */
const create = createScript(`${setTtl}
  redis.call('HSET', KEYS[1], 'v', 1, 'e', ARGV[2], 'i', ARGV[3], 'a', ARGV[4])
  expire(KEYS[1], tonumber(ARGV[1]))
  return 1`);

/** KEYS record · ARGV now, envelope, end, expected version, channel, name */
const replace = createScript(`${setTtl}
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version then return 'gone' end
  if version ~= ARGV[4] then return 'conflict' end
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
  redis.call('HSET', KEYS[1], 'e', ARGV[2], 'a', ARGV[3])
  expire(KEYS[1], tonumber(ARGV[1]))
  redis.call('PUBLISH', ARGV[5], 'changed ' .. ARGV[6] .. ' ' .. version)
  return 'replaced'`);

/** KEYS record · ARGV now, idle limit */
const touch = createScript(`${setTtl}
  local idle = redis.call('HGET', KEYS[1], 'i')
  if not idle then return 0 end
  if tonumber(ARGV[2]) > tonumber(idle) then
    redis.call('HSET', KEYS[1], 'i', ARGV[2])
    expire(KEYS[1], tonumber(ARGV[1]))
  end
  return 1`);

/** KEYS record · ARGV channel, name */
const remove = createScript(`
  local record = redis.call('HMGET', KEYS[1], 'v', 'e', 'i')
  if not record[1] then return record end
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[1], 'ended ' .. ARGV[2] .. ' ' .. record[1])
  return record`);

/** Sessions in Redis, sealed. The name of a record is a hash of the session's name, which its person and the log see. */
export function createRedisStore(deps: RedisStoreDeps): SessionStore {
  const { redis, codec, blindIndex, keyPrefix, clock, log } = deps;
  /** Of what was opened for requests, the digest of the envelope it was in. */
  const digests = new WeakMap<SessionView['data'], string>();
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const recordKey = (key: string) => `${keyPrefix}session:${hashIdentifier('record', key).slice(0, 22)}`;
  const noteKey = (name: string) => `${keyPrefix}note:${name}`;
  const changes = `${keyPrefix}changes`;
  const index = createRedisIndex({ redis, blindIndex, keyPrefix, clock });
  const generation = createRedisGeneration({ redis, keyPrefix, channel: changes, clock });
  const channel = openChannel({
    redis,
    name: changes,
    log,
    onMessage: (message) => announce(generation.hear(message) ? undefined : parseChange(message)),
    onMissedMessages() {
      generation.doubt();
      announce(undefined);
    },
    onSubscribed: () => void generation.learn().catch(() => undefined),
  });
  const isSubscribed = () => channel.isSubscribed() && generation.isCurrent();

  const readFields = async (key: string) => {
    const read = redis.run('load', (client) => client.hmgetBuffer(recordKey(key), 'v', 'e', 'i'));
    if (isSubscribed()) return read;
    const [fields] = await Promise.all([read, generation.learn()]);
    return fields;
  };

  /**
   * Opens a record. Throws `store_unavailable` when it is sealed with a secret that this process does not have: the session is
   * there, and a process with that secret serves it.
   */
  const openRecord = (
    key: string,
    [version, envelope, idle]: readonly unknown[],
  ): SessionRecord | undefined => {
    if (!Buffer.isBuffer(envelope)) return undefined;
    const data = decode(envelope, key);
    if (data !== undefined)
      return sessionRecord({ key, data, version: Number(version), idleExpiresAtMs: Number(idle) });
    log.warn(
      { session: key },
      'a session record cannot be opened: it was changed, or not written by a gateway',
    );
    return undefined;
  };
  const decode = (envelope: Buffer, key: string) => {
    try {
      return codec.decode(envelope, recordKey(key));
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      const { keyId } = error;
      log.warn(
        { session: key, keyId },
        'a session record is sealed with a secret that this process does not have; it is kept',
      );
      throw new GatewayError('store_unavailable', {
        detail: 'This session was written with a secret that this process does not have yet.',
        retryAfterSeconds: UNKNOWN_KEY_RETRY_SECONDS,
        cause: error,
      });
    }
  };
  /** For sessions that are listed or already removed: gives undefined for a record of another process's secret. */
  const openIfKnown = (key: string, fields: readonly unknown[]): SessionRecord | undefined => {
    try {
      return openRecord(key, fields);
    } catch (error) {
      if (error instanceof GatewayError) return undefined;
      throw error;
    }
  };

  /**
   * Opens a record for a request, or gives what was opened before when the envelope is the same, bit for bit: a digest takes
   * 2 µs, to open it 15, and what is opened again and again is garbage that outlives the young generation.
   */
  const reopenRecord = (
    key: string,
    fields: readonly unknown[],
    known: SessionView | undefined,
  ): SessionView | undefined => {
    const [version, envelope, idle] = fields;
    if (!Buffer.isBuffer(envelope)) return undefined;
    const digest = hash('sha256', envelope);
    if (known !== undefined && digests.get(known.data) === digest)
      return { ...known, version: Number(version), idleExpiresAtMs: Number(idle) };
    const record = openRecord(key, fields);
    if (record === undefined) return undefined;
    const live = sessionView(record);
    digests.set(live.data, digest);
    return live;
  };

  const loadEntry = async (entry: Entry): Promise<SessionRecord | undefined> => {
    const fields = await readFields(entry.key);
    // A record that is there and cannot be opened may be one for another process, which has its secret.
    if (fields[1] === null) await index.strike(entry).catch(() => undefined);
    return openIfKnown(entry.key, fields);
  };

  return {
    loadRecord: async (key) => openRecord(key, await readFields(key)),
    loadView: async (key, known) => reopenRecord(key, await readFields(key), known),

    async create(key, data, idleExpiresAtMs) {
      if (!isSubscribed()) await generation.learn();
      const stamped = generation.known() === 0 ? data : { ...data, generation: generation.known() };
      const name = recordKey(key);
      const args = [clock(), codec.encode(stamped, name), idleExpiresAtMs, sessionEndsAtMs(data)];
      // SECURITY: the index comes first: a process that dies in between leaves no session that its owners do not find.
      await index.enter(key, data);
      await redis.evaluate('create', create, [name], args);
      await index.confirm(key, data);
    },

    async replace(key, data: SessionData, expectedVersion) {
      const name = recordKey(key);
      const envelope = codec.encode(data, name);
      const args = [clock(), envelope, sessionEndsAtMs(data), expectedVersion, changes, key];
      return readReplaceResult(await redis.evaluate('replace', replace, [name], args));
    },

    async touch(key, idleExpiresAtMs) {
      return (await redis.evaluate('touch', touch, [recordKey(key)], [clock(), idleExpiresAtMs])) === 1;
    },

    async remove(key) {
      const fields = await redis.evaluate('remove', remove, [recordKey(key)], [changes, key]);
      const removed = openIfKnown(key, Array.isArray(fields) ? fields : []);
      // The session has ended, whatever becomes of its entries: those that stay lapse.
      if (removed !== undefined) await index.leave(key, removed.data).catch(() => undefined);
      return removed;
    },

    async ofOwner(owner) {
      const loaded = await Promise.all((await index.entries(owner)).map(loadEntry));
      const found = loaded.filter((record) => record !== undefined);
      return [...new Map(found.map((record) => [record.key, record])).values()];
    },

    beginGeneration: generation.begin,
    generation: generation.known,

    async putMarker(subject, text, ttlMs) {
      const name = noteKey(blindIndex.name(subject));
      await redis.run('note', (client) => client.set(name, text, 'PX', Math.max(1, Math.ceil(ttlMs))));
    },
    async getMarker(subject) {
      const names = blindIndex.names(subject).map(noteKey);
      const texts = await Promise.all(names.map((name) => redis.run('note', (client) => client.get(name))));
      return texts.find((text) => text !== null) ?? undefined;
    },

    isSubscribed,
    onChange: (listener) => void listeners.push(listener),
    async ping() {
      await redis.run('ping', (client) => client.ping());
    },
    wasReachable: redis.wasReachable,
    async close() {
      channel.close();
      await redis.close();
    },
  };
}

function parseChange(message: string): SessionChange | undefined {
  const [kind, key, version] = message.split(' ');
  if ((kind !== 'changed' && kind !== 'ended') || key === undefined) return undefined;
  return { kind, key, version: Number(version) };
}

function readReplaceResult(answer: unknown): ReplaceResult {
  const reply = String(answer);
  if (reply === 'replaced' || reply === 'conflict' || reply === 'gone') return reply;
  throw new Error('the replace script returned an unknown result');
}
