import type { BlindIndex } from '../../../crypto/blind-index.ts';
import { UnknownKeyError } from '../../../crypto/envelope.ts';
import { hashIdentifier } from '../../../crypto/identifier.ts';
import type { SealedTimes } from '../../../crypto/sealed-time.ts';
import { GatewayError } from '../../../errors.ts';
import type { Logger } from '../../../observability/log.ts';
import type { Metrics } from '../../../observability/metrics.ts';
import { openChannel } from '../../../redis/channel.ts';
import type { RedisConnection } from '../../../redis/connection.ts';
import type { RecordCodec } from '../record/record.ts';
import { placeOf, readRecordFields, RECORD_FIELDS, type RecordFields } from '../record/record-fields.ts';
import { createRecordScript, removeScript, replaceScript, touchScript } from './record-scripts.ts';
import { createRedisGeneration } from './generation.ts';
import { createRedisMarkers } from './markers.ts';
import { createRedisRecordReader } from './record-reader.ts';
import { createRedisKeyCount } from './key-count.ts';
import { createRecordScan, createSessionScan } from './record-scan.ts';
import { createRedisSecretRemoval } from './secret-removal.ts';
import { createIdleSealing } from './idle-limit.ts';
import { createRedisIndex } from './subject-index.ts';
import { createRedisOwnerSessions } from './owner-sessions.ts';
import { createRedisSpendMarks } from './spend-marks.ts';
import { createRedisWriteBack } from './write-back.ts';
import { createWriteMemory } from '../write-memory.ts';
import type { ClaimSelection } from '../claim-selection.ts';
import { sessionEndsAtMs, type SessionData } from '../../session.ts';
import type { ReplaceResult, SessionChange, SessionStore } from '../store.ts';

type RedisStoreDeps = {
  claimSelection?: Pick<ClaimSelection, 'names'>;
  redis: RedisConnection;
  codec: RecordCodec;
  /** Seals the idle limits of records. */
  idleLimits: SealedTimes;
  blindIndex: BlindIndex;
  keyPrefix: string;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/** Encrypted sessions in Redis. The Redis key is a hash of the session key, because the API and the log show the latter. */
export function createRedisStore(deps: RedisStoreDeps): SessionStore {
  const { redis, codec, idleLimits, blindIndex, keyPrefix, clock, log } = deps;
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const recordKey = (key: string) => `${keyPrefix}session:${hashIdentifier('record', key).slice(0, 22)}`;
  const changeChannel = `${keyPrefix}changes`;
  const index = createRedisIndex({ redis, blindIndex, keyPrefix, clock });
  const scan = createRecordScan({ redis, keyPrefix });
  const generation = createRedisGeneration({ redis, keyPrefix, channel: changeChannel, scan, clock, log });
  const spendMarks = createRedisSpendMarks({ redis });
  const memory = createWriteMemory({ clock });
  const idleSealing = createIdleSealing(deps);
  const writeBack = createRedisWriteBack({ ...deps, idleSealing, memory, recordKey, channel: changeChannel });
  const records = createRedisRecordReader({ ...deps, recordKey, onGeneration: generation.raiseTo });
  redis.onReconnect(() => {
    void writeBack.restoreAll().catch(() => undefined);
    // One node of a cluster may have failed over, and not the one of the subscription.
    void generation.refresh().catch(() => undefined);
  });
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
    const read = redis.run('load', (client) => client.hmgetBuffer(recordKey(key), ...RECORD_FIELDS));
    if (isSubscribed()) return readRecordFields(await read);
    const [reply] = await Promise.all([read, generation.refresh()]);
    return readRecordFields(reply);
  };
  /** Reads the fields of a record. What this process knows to be newer is written again, and takes the place of what was read. */
  const readFields = async (key: string): Promise<RecordFields | undefined> => {
    const fields = await readStoredFields(key);
    if (fields === undefined) return undefined;
    await generation.foundSession();
    const comparison = memory.compare(key, fields.version);
    switch (comparison.kind) {
      case 'current':
        return fields;
      case 'ended':
        void remove(key).catch(() => undefined);
        return undefined;
      case 'behind':
        if (comparison.written === undefined) return fields;
        await writeBack.restore(key, comparison.written).catch(() => undefined);
        return {
          ...fields,
          sealedIdle: idleSealing.sealedIdleOf(recordKey(key), fields),
          ...comparison.written,
        };
    }
  };

  const remove: SessionStore['remove'] = async (key) => {
    const result = await redis.evaluate('remove', removeScript, [recordKey(key)], [changeChannel, key]);
    const reply: unknown[] = Array.isArray(result) ? result : [];
    memory.ended(key);
    const fields = readRecordFields(reply);
    if (reply[RECORD_FIELDS.length] === 0) handleUnpublishedEnd(key, Number(reply[0]));
    const removed = fields && records.openIfKnown(key, fields);
    // The session has ended even if this fails: remaining entries expire.
    if (removed !== undefined) await index.remove(key, removed.data).catch(() => undefined);
    return removed;
  };

  const ownerSessions = createRedisOwnerSessions({
    index,
    readLimits: (key) => redis.run('load', (client) => client.hmget(recordKey(key), 'i', 'a')),
    async load(key) {
      const fields = await readFields(key);
      return fields === undefined ? 'gone' : records.openIfKnown(key, fields);
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
    const stored = readRecordFields(
      await redis.run('load', (client) => client.hmgetBuffer(name, ...RECORD_FIELDS)),
    );
    if (stored?.version !== version) return false;
    try {
      return codec.holds(stored.envelope, data, placeOf(name, stored));
    } catch (error) {
      if (error instanceof UnknownKeyError) return false;
      throw error;
    }
  };
  /** The field of a predecessor with the same refresh token; empty if there is none. */
  const unansweredOf = async ({ tokens }: SessionData, predecessors: readonly string[]) => {
    for (const key of predecessors) {
      const sendings = await spendMarks.unanswered(recordKey(key));
      if (sendings === '') continue;
      const fields = await readFields(key);
      const record = fields && records.openIfKnown(key, fields);
      if (record?.data.tokens.refreshToken === tokens.refreshToken) return sendings;
    }
    return '';
  };
  const openFound = (key: string, fields: RecordFields | undefined) => fields && records.open(key, fields);

  return {
    countKeys: createRedisKeyCount(redis),
    loadRecord: async (key) => openFound(key, await readFields(key)),
    async loadForRefresh(key) {
      const fields = await readFields(key);
      if (fields !== undefined && memory.compare(key, fields.version).kind === 'behind') {
        await writeBack.ask(key);
        throw lostTokens();
      }
      return openFound(key, fields);
    },
    async loadView(key, known) {
      const fields = await readFields(key);
      return fields && records.openView(key, fields, known);
    },

    isUnreadable: records.isUnreadable,
    async create(key, data, idleExpiresAtMs, predecessors = [], onStored) {
      if (!isSubscribed()) await generation.refresh();
      await generation.ensureStored();
      const stamped = generation.known() === 0 ? data : { ...data, generation: generation.known() };
      const name = recordKey(key);
      const endsAtMs = sessionEndsAtMs(data);
      const envelope = codec.encode(stamped, { name, version: 1, endsAtMs });
      const sealedIdle = idleLimits.seal(idleExpiresAtMs, name);
      // SECURITY: the index is written first, so that a crash in between leaves no session that is missing in the index.
      await index.add(key, data);
      const sendings = await unansweredOf(data, predecessors);
      const args = [clock(), envelope, endsAtMs, idleExpiresAtMs, sealedIdle, sendings];
      await redis.evaluate('create', createRecordScript, [name], args);
      await Promise.all([index.confirm(key, data), onStored?.()]);
    },

    async replace(key, data: SessionData, expectedVersion, condition) {
      const name = recordKey(key);
      const version = expectedVersion + 1;
      const endsAtMs = sessionEndsAtMs(data);
      const envelope = codec.encode(data, { name, version, endsAtMs });
      const args = [clock(), envelope, endsAtMs, expectedVersion, changeChannel, key, condition ?? ''];
      const result = readReplaceResult(await idleSealing.evaluate('replace', replaceScript, name, args));
      if (result === 'replaced') memory.wrote(key, { version, envelope, endsAtMs });
      return result === 'conflict' && (await isWritten(key, data, version)) ? 'replaced' : result;
    },

    markSpend: (mark) => spendMarks.write(recordKey(mark.key), mark),
    unmarkSpend: (key, owner, sending) => spendMarks.remove(recordKey(key), owner, sending),

    async touch(key, idleExpiresAtMs) {
      const name = recordKey(key);
      const args = [clock(), idleExpiresAtMs, idleLimits.seal(idleExpiresAtMs, name)];
      return (await redis.evaluate('touch', touchScript, [name], args)) === 1;
    },

    remove,

    ...ownerSessions,

    removeSealedBy: createRedisSecretRemoval({
      redis,
      scan,
      keyPrefix,
      recordKey,
      channel: changeChannel,
      clock,
    }),
    scan: createSessionScan({ redis, scan, codec }),

    beginGeneration: generation.begin,
    generation: generation.known,

    ...createRedisMarkers(deps),

    isSubscribed,
    onChange: (listener) => void listeners.push(listener),
    onReconnect: redis.onReconnect,
    async ping() {
      await redis.run('ping', (client) => client.ping());
    },
    wasReachable: redis.wasReachable,
    isReachable: redis.isReachable,
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
