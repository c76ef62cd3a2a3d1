import { Cluster } from 'ioredis';
import { UnknownKeyError } from '../../../crypto/envelope.ts';
import type { RedisConnection } from '../../../redis/connection.ts';
import type { SessionData } from '../../session.ts';
import { placeOf, readRecordFields, RECORD_FIELDS, type RecordFields } from '../record/record-fields.ts';
import type { RecordCodec } from '../record/record.ts';
import type { SessionStore } from '../store.ts';

/** Walks over the names of all records, in batches. Names may repeat; those written meanwhile may be missing. */
export type RecordScan = {
  /** The batch after a position, which may be empty; without `next`, it is the last one. */
  batch(after: string | undefined): Promise<{ names: readonly string[]; next: string | undefined }>;
  all(): AsyncGenerator<readonly string[]>;
};

/** How many keys Redis looks at in one step of a scan. */
const SCAN_COUNT = 200;

export function createRecordScan(deps: { redis: RedisConnection; keyPrefix: string }): RecordScan {
  const { redis, keyPrefix } = deps;
  const pattern = `${keyPrefix.replaceAll(/[*?[\]\\^]/g, String.raw`\$&`)}session:*`;

  /** A position is the number of a node and the cursor there. */
  const batch: RecordScan['batch'] = async (after = '0.0') => {
    const [node = '0', cursor = '0'] = after.split('.');
    const at = Number(node);
    const nodes = await redis.run('scan', async (client) =>
      client instanceof Cluster ? client.nodes('master') : [client],
    );
    const scanned = nodes[at];
    if (scanned === undefined) return { names: [], next: undefined };
    const [nextCursor, names] = await redis.run('scan', () =>
      scanned.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT),
    );
    if (nextCursor !== '0') return { names, next: `${at}.${nextCursor}` };
    return { names, next: at + 1 < nodes.length ? `${at + 1}.0` : undefined };
  };

  return {
    batch,
    async *all() {
      let after: string | undefined;
      do {
        const { names, next } = await batch(after);
        yield names;
        after = next;
      } while (after !== undefined);
    },
  };
}

/** Reads the sessions of each batch. */
export function createSessionScan(deps: {
  redis: RedisConnection;
  scan: RecordScan;
  codec: RecordCodec;
}): SessionStore['scan'] {
  const { redis, scan, codec } = deps;
  return async (after) => {
    const { names, next } = await scan.batch(after);
    const found = await Promise.all(
      names.map((name) => redis.run('load', (client) => client.hmgetBuffer(name, ...RECORD_FIELDS))),
    );
    const sessions = names.flatMap((name, at) => {
      const fields = readRecordFields(found[at] ?? []);
      return (fields && decodeIfKnown(codec, name, fields)) ?? [];
    });
    return { sessions, next };
  };
}

/** Gives the data of a record; undefined if it cannot be opened. */
export function decodeIfKnown(
  codec: RecordCodec,
  name: string,
  fields: RecordFields,
): SessionData | undefined {
  try {
    return codec.decode(fields.envelope, placeOf(name, fields));
  } catch (error) {
    if (error instanceof UnknownKeyError) return undefined;
    throw error;
  }
}
