import { createBlindIndex } from '../../../crypto/blind-index.ts';
import { createEnvelopes } from '../../../crypto/envelope.ts';
import { createKeyRing } from '../../../crypto/key-ring.ts';
import { createSealedTimes } from '../../../crypto/sealed-time.ts';
import type { RedisConnection } from '../../../redis/connection.ts';
import { ownersOf, type SessionData } from '../../session.ts';
import { createRecordCodec } from '../record/record.ts';
import { readRecordFields, RECORD_FIELDS, type RecordFields } from '../record/record-fields.ts';
import { decodeIfKnown, type RecordScan } from './record-scan.ts';
import { createRedisIndex } from './subject-index.ts';
import type { RemovedSecrets, SessionStore } from '../store.ts';

/** How many index entries with the end of a session are searched for its key. */
const MAX_ENTRIES = 1_000;

/** Finds the sessions that removed secrets seal, by a scan of all records, and removes them. */
export function createRedisSecretRemoval(deps: {
  redis: RedisConnection;
  scan: RecordScan;
  keyPrefix: string;
  /** The Redis key of a session. */
  recordKey: (key: string) => string;
  channel: string;
  clock: () => number;
}): SessionStore['removeSealedBy'] {
  const { redis, scan, recordKey, channel } = deps;

  return async function* removeSealedBy(secrets) {
    const isSealedBy = createSealTest(secrets);
    const keyRing = createKeyRing([...secrets.remaining, ...secrets.removed]);
    const index = createRedisIndex({ ...deps, blindIndex: createBlindIndex(keyRing) });

    const findKey = async (name: string, data: SessionData): Promise<string | undefined> => {
      const [person] = ownersOf(data);
      if (person === undefined) return undefined;
      const entries = await index.entries(person, MAX_ENTRIES, {
        endsAtMs: data.absoluteExpiresAtMs,
        name: '',
      });
      return entries.find(({ key }) => recordKey(key) === name)?.key;
    };
    const remove = async (name: string, data: SessionData) => {
      const key = await findKey(name, data);
      // Of several processes, one removes the record.
      if ((await redis.run('remove', (client) => client.del(name))) === 0) return undefined;
      if (key !== undefined) {
        await redis
          .run('remove', (client) => client.publish(channel, `ended ${key} 0`))
          .catch(() => undefined);
        await index.remove(key, data).catch(() => undefined);
      }
      return { key, data };
    };

    for await (const names of scan.all()) {
      const found = await Promise.all(
        names.map((name) => redis.run('load', (client) => client.hmgetBuffer(name, ...RECORD_FIELDS))),
      );
      for (const [at, name] of names.entries()) {
        const fields = readRecordFields(found[at] ?? []);
        const data = fields && isSealedBy(name, fields);
        const removed = data && (await remove(name, data));
        if (removed !== undefined) yield removed;
      }
    }
  };
}

/** Gives the data of a record whose envelope, whose idle limit or whose cookie a removed secret seals. */
function createSealTest({ removed, remaining }: RemovedSecrets) {
  const removedKeys = createKeyRing(removed);
  const removedCodec = createRecordCodec(createEnvelopes(removedKeys));
  const remainingCodec = createRecordCodec(createEnvelopes(createKeyRing(remaining)));
  const ticketKeyIds = new Set(removedKeys.all('session-cookie').map(({ id }) => id));
  const idleKeyIds = new Set(removedKeys.all('idle-limit').map(({ id }) => id));
  const { keyIdOf } = createSealedTimes(removedKeys);
  return (name: string, fields: RecordFields): SessionData | undefined => {
    const sealed = decodeIfKnown(removedCodec, name, fields);
    if (sealed !== undefined) return sealed;
    const data = decodeIfKnown(remainingCodec, name, fields);
    const idleKeyId = fields.sealedIdle && keyIdOf(fields.sealedIdle);
    const isSealed =
      (data?.ticketKeyId !== undefined && ticketKeyIds.has(data.ticketKeyId)) ||
      (idleKeyId !== undefined && idleKeyIds.has(idleKeyId));
    return isSealed ? data : undefined;
  };
}
