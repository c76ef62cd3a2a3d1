import { hash } from 'node:crypto';
import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import type { BlindIndex } from '../../crypto/blind-index.ts';
import { UnknownKeyError } from '../../crypto/envelope.ts';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { openChannel } from '../../redis/channel.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import type { RecordCodec } from './record.ts';
import { createRedisGeneration } from './redis-generation.ts';
import { createRedisSecretRemoval } from './redis-secret-removal.ts';
import { createRedisIndex } from './redis-index.ts';
import { createRedisOwnerSessions } from './redis-owner-sessions.ts';
import { createRedisSpendMarks } from './redis-spend-marks.ts';
import { createRedisWriteBack } from './redis-write-back.ts';
import { setTtl } from './record-ttl.ts';
import { createWriteMemory } from './write-memory.ts';
import {
  sessionView,
  sessionEndsAtMs,
  sessionRecord,
  type SessionView,
  type SessionData,
  type SessionRecord,
} from '../session.ts';
import type { ReplaceResult, SessionChange, SessionStore } from './store.ts';

/** The Retry-After for a session that is encrypted with another process's secret, as during a rolling restart. */
const UNKNOWN_KEY_RETRY_SECONDS = 5;

/** The maximum number of unreadable sessions that a process remembers to have reported. */
const MAX_REPORTED = 10_000;

type RedisStoreDeps = {
  redis: RedisConnection;
  codec: RecordCodec;
  blindIndex: BlindIndex;
  keyPrefix: string;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/*
 * A record is a hash: `v` version, `e` envelope, `i` idle limit, `a` end (milliseconds since the epoch), `m` spend mark.
 * Claims and tokens are only in the envelope. The record expires at the earlier of the two times. Every script uses one key,
 * so that it runs on a cluster, and publishes its change in the same step. A message that Redis refuses (`pcall`) undoes no
 * change.
 */

/** KEYS record · ARGV now, envelope, idle limit, end */
const createRecordScript = createScript(`${setTtl}
  redis.call('HSET', KEYS[1], 'v', 1, 'e', ARGV[2], 'i', ARGV[3], 'a', ARGV[4])
  expire(KEYS[1], tonumber(ARGV[1]))
  return 1`);

/** KEYS record · ARGV now, envelope, end, expected version, channel, name, condition */
const replaceScript = createScript(`${setTtl}
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version then return 'gone' end
  if version ~= ARGV[4] then return 'conflict' end
  if ARGV[7] == 'unless_marked' and redis.call('HGET', KEYS[1], 'm') then return 'conflict' end
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
  redis.call('HSET', KEYS[1], 'e', ARGV[2], 'a', ARGV[3])
  redis.call('HDEL', KEYS[1], 'm')
  expire(KEYS[1], tonumber(ARGV[1]))
  redis.pcall('PUBLISH', ARGV[5], 'changed ' .. ARGV[6] .. ' ' .. version)
  return 'replaced'`);

/** KEYS record · ARGV now, idle limit */
const touchScript = createScript(`${setTtl}
  local idle = redis.call('HGET', KEYS[1], 'i')
  if not idle then return 0 end
  if tonumber(ARGV[2]) > tonumber(idle) then
    redis.call('HSET', KEYS[1], 'i', ARGV[2])
    expire(KEYS[1], tonumber(ARGV[1]))
  end
  return 1`);

/** KEYS record · ARGV channel, name: gives the record, and 1 if the message could be published. */
const removeScript = createScript(`
  local record = redis.call('HMGET', KEYS[1], 'v', 'e', 'i')
  if not record[1] then return record end
  redis.call('DEL', KEYS[1])
  local receivers = redis.pcall('PUBLISH', ARGV[1], 'ended ' .. ARGV[2] .. ' ' .. record[1])
  record[4] = type(receivers) == 'number' and 1 or 0
  return record`);

/** Encrypted sessions in Redis. The Redis key is a hash of the session key, because the API and the log show the latter. */
export function createRedisStore(deps: RedisStoreDeps): SessionStore {
  const { redis, codec, blindIndex, keyPrefix, clock, log, metrics } = deps;
  /** The digests of the envelopes of decrypted views. */
  const digests = new WeakMap<SessionView['data'], string>();
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const recordKey = (key: string) => `${keyPrefix}session:${hashIdentifier('record', key).slice(0, 22)}`;
  const markerKey = (name: string) => `${keyPrefix}note:${name}`;
  const changeChannel = `${keyPrefix}changes`;
  const index = createRedisIndex({ redis, blindIndex, keyPrefix, clock });
  const generation = createRedisGeneration({ redis, keyPrefix, channel: changeChannel, clock, log });
  const spendMarks = createRedisSpendMarks({ redis });
  const memory = createWriteMemory({ clock });
  const writeBack = createRedisWriteBack({ ...deps, memory, recordKey, channel: changeChannel });
  redis.onReconnect(() => void writeBack.restoreAll().catch(() => undefined));
  const channel = openChannel({
    redis,
    name: changeChannel,
    log,
    onMessage(message) {
      if (writeBack.handleMessage(message)) return;
      const about = generation.handleMessage(message);
      if (about === 'handled') return;
      const change = about === 'begun' ? undefined : parseChange(message);
      if (change?.kind === 'changed') memory.heard(change.key, change.version);
      if (change?.kind === 'ended') memory.ended(change.key);
      announce(change);
    },
    onMissedMessages() {
      generation.invalidate();
      announce(undefined);
    },
    onSubscribed: () => void generation.refresh().catch(() => undefined),
  });
  const isSubscribed = () => channel.isSubscribed() && generation.isCurrent();

  const readStoredFields = async (key: string) => {
    const read = redis.run('load', (client) => client.hmgetBuffer(recordKey(key), 'v', 'e', 'i'));
    if (isSubscribed()) return read;
    const [fields] = await Promise.all([read, generation.refresh()]);
    return fields;
  };
  /** Reads the fields of a record. What this process knows to be newer is written again, and takes the place of what was read. */
  const readFields = async (key: string): Promise<readonly (Buffer | number | null)[]> => {
    const fields = await readStoredFields(key);
    const [version = null, , idle = null] = fields;
    if (version === null) return fields;
    await generation.foundSession();
    const comparison = memory.compare(key, Number(version));
    switch (comparison.kind) {
      case 'current':
        return fields;
      case 'ended':
        void remove(key).catch(() => undefined);
        return [null, null, null];
      case 'behind': {
        const { written } = comparison;
        if (written === undefined) return fields;
        await writeBack.restore(key, written).catch(() => undefined);
        return [written.version, written.envelope, idle];
      }
    }
  };

  const remove: SessionStore['remove'] = async (key) => {
    const reply = await redis.evaluate('remove', removeScript, [recordKey(key)], [changeChannel, key]);
    const fields = Array.isArray(reply) ? reply : [];
    memory.ended(key);
    if (fields[3] === 0) handleUnpublishedEnd(key, Number(fields[0]));
    const removed = openIfKnown(key, fields);
    // The session has ended even if this fails: remaining entries expire.
    if (removed !== undefined) await index.remove(key, removed.data).catch(() => undefined);
    return removed;
  };

  /**
   * Decrypts a record. Throws `store_unavailable` if it is encrypted with a secret that this process does not have: the
   * session exists, and a process with the secret can serve it.
   */
  const openRecord = (
    key: string,
    [version, envelope, idle]: readonly unknown[],
  ): SessionRecord | undefined => {
    if (!Buffer.isBuffer(envelope)) return undefined;
    const data = decode(envelope, key);
    generation.raiseTo(data?.generation ?? 0);
    if (data !== undefined)
      return sessionRecord({ key, data, version: Number(version), idleExpiresAtMs: Number(idle) });
    reportUnreadable(key);
    return undefined;
  };
  const reportedUnreadable = createBoundedMap<string, true>({ maxEntries: MAX_REPORTED });
  /** Once for each session, because the record stays until it expires. */
  const reportUnreadable = (key: string) => {
    if (reportedUnreadable.has(key)) return;
    reportedUnreadable.set(key, true);
    metrics.sessionEnded('unreadable');
    log.warn(
      { session: key, reason: 'unreadable' },
      'a session record cannot be opened: it was changed, or not written by a gateway',
    );
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
  /** Gives undefined instead, for sessions that are listed or already removed. */
  const openIfKnown = (key: string, fields: readonly unknown[]): SessionRecord | undefined => {
    try {
      return openRecord(key, fields);
    } catch (error) {
      if (error instanceof GatewayError) return undefined;
      throw error;
    }
  };

  /**
   * Decrypts a record for a request, or reuses `known` if its envelope was identical: a digest takes 2 µs, decryption 15 µs,
   * and the garbage of repeated decryption outlives the young generation.
   */
  const openView = (
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
    const view = sessionView(record);
    digests.set(view.data, digest);
    return view;
  };

  const ownerSessions = createRedisOwnerSessions({
    index,
    readLimits: (key) => redis.run('load', (client) => client.hmget(recordKey(key), 'i', 'a')),
    async load(key) {
      const fields = await readFields(key);
      return fields[1] === null ? 'gone' : openIfKnown(key, fields);
    },
    clock,
  });

  /** Redis refuses messages: at least this process learns of the end. */
  const handleUnpublishedEnd = (key: string, version: number) => {
    log.error(
      { session: key },
      'Redis refuses to publish the end of a session; other replicas may still serve it from their caches',
    );
    announce({ kind: 'ended', key, version });
  };

  /** True for a write whose reply was lost: what looks like the write of another process is this one's own. */
  const isWritten = async (key: string, data: SessionData, version: number): Promise<boolean> => {
    const name = recordKey(key);
    const [stored, envelope] = await redis.run('load', (client) => client.hmgetBuffer(name, 'v', 'e'));
    if (Number(stored) !== version || !Buffer.isBuffer(envelope)) return false;
    try {
      return codec.holds(envelope, data, name);
    } catch (error) {
      if (error instanceof UnknownKeyError) return false;
      throw error;
    }
  };

  return {
    loadRecord: async (key) => openRecord(key, await readFields(key)),
    async loadForRefresh(key) {
      const fields = await readFields(key);
      const [version = null] = fields;
      if (version !== null && memory.compare(key, Number(version)).kind === 'behind') {
        await writeBack.ask(key);
        throw lostTokens();
      }
      return openRecord(key, fields);
    },
    loadView: async (key, known) => openView(key, await readFields(key), known),

    async create(key, data, idleExpiresAtMs) {
      if (!isSubscribed()) await generation.refresh();
      await generation.ensureStored();
      const stamped = generation.known() === 0 ? data : { ...data, generation: generation.known() };
      const name = recordKey(key);
      const args = [clock(), codec.encode(stamped, name), idleExpiresAtMs, sessionEndsAtMs(data)];
      // SECURITY: the index is written first, so that a crash in between leaves no session that is missing in the index.
      await index.add(key, data);
      await redis.evaluate('create', createRecordScript, [name], args);
      await index.confirm(key, data);
    },

    async replace(key, data: SessionData, expectedVersion, condition) {
      const name = recordKey(key);
      const envelope = codec.encode(data, name);
      const endsAtMs = sessionEndsAtMs(data);
      const args = [clock(), envelope, endsAtMs, expectedVersion, changeChannel, key, condition ?? ''];
      const result = readReplaceResult(await redis.evaluate('replace', replaceScript, [name], args));
      const version = expectedVersion + 1;
      if (result === 'replaced') memory.wrote(key, { version, envelope, endsAtMs });
      return result === 'conflict' && (await isWritten(key, data, version)) ? 'replaced' : result;
    },

    markSpend: (mark) => spendMarks.write(recordKey(mark.key), mark),
    unmarkSpend: (key, owner) => spendMarks.remove(recordKey(key), owner),

    async touch(key, idleExpiresAtMs) {
      return (await redis.evaluate('touch', touchScript, [recordKey(key)], [clock(), idleExpiresAtMs])) === 1;
    },

    remove,

    ...ownerSessions,

    removeSealedBy: createRedisSecretRemoval({ redis, keyPrefix, recordKey, channel: changeChannel, clock }),

    beginGeneration: generation.begin,
    generation: generation.known,

    async putMarker(subject, text, ttlMs) {
      const name = markerKey(blindIndex.name(subject));
      await redis.run('note', (client) => client.set(name, text, 'PX', Math.max(1, Math.ceil(ttlMs))));
    },
    async getMarker(subject) {
      const names = blindIndex.names(subject).map(markerKey);
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
      generation.close();
      writeBack.close();
      await redis.close();
    },
  };
}

function lostTokens(): GatewayError {
  return new GatewayError('store_unavailable', {
    detail:
      'The session store has lost the newest tokens of this session; waiting for the process that has them.',
    retryAfterSeconds: 1,
  });
}

function parseChange(message: string): SessionChange | undefined {
  const [kind, key, version] = message.split(' ');
  if ((kind !== 'changed' && kind !== 'ended') || key === undefined) return undefined;
  return { kind, key, version: Number(version) };
}

function readReplaceResult(value: unknown): ReplaceResult {
  const reply = String(value);
  if (reply === 'replaced' || reply === 'conflict' || reply === 'gone') return reply;
  throw new Error('the replace script returned an unknown result');
}
