import { hash } from 'node:crypto';
import { createBoundedMap } from '../../../concurrency/bounded-map.ts';
import { UnknownKeyError } from '../../../crypto/envelope.ts';
import type { SealedTimes } from '../../../crypto/sealed-time.ts';
import { GatewayError } from '../../../errors.ts';
import type { Logger } from '../../../observability/log.ts';
import type { Metrics } from '../../../observability/metrics.ts';
import { createUnknownKeyLog, unknownKey } from '../../lifecycle/unknown-key.ts';
import type { ClaimSelection } from '../claim-selection.ts';
import { sessionRecord, sessionView, type SessionRecord, type SessionView } from '../../session.ts';
import { placeOf, type RecordFields } from '../record/record-fields.ts';
import type { RecordCodec } from '../record/record.ts';

/** Decrypts records. Reports those that cannot be opened, once for each session, because a record stays until it expires. */
export type RedisRecordReader = {
  /** True for a session whose record was reported so. */
  isUnreadable(key: string): boolean;
  /**
   * Undefined for a record that was changed. Throws `store_unavailable` if it is encrypted with a secret that this process does
   * not have: the session exists, and a process with the secret can serve it.
   */
  open(key: string, fields: RecordFields): SessionRecord | undefined;
  /** The same, but gives undefined also for an unknown secret: for sessions that are listed or already removed. */
  openIfKnown(key: string, fields: RecordFields): SessionRecord | undefined;
  /**
   * Opens a record for a request, or reuses `known` if its envelope was identical: a digest takes 2 µs, decryption 20 µs,
   * and the garbage of repeated decryption outlives the young generation.
   */
  openView(key: string, fields: RecordFields, known: SessionView | undefined): SessionView | undefined;
};

/** The maximum number of unreadable sessions that a process remembers to have reported. */
const MAX_REPORTED = 10_000;

export function createRedisRecordReader(deps: {
  codec: RecordCodec;
  idleLimits: SealedTimes;
  recordKey: (key: string) => string;
  claimSelection?: Pick<ClaimSelection, 'names'> | undefined;
  /** Called with the generation of each record. */
  onGeneration: (generation: number) => void;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): RedisRecordReader {
  const { codec, idleLimits, recordKey, log, metrics } = deps;
  const digests = new WeakMap<SessionView['data'], string>();

  const reported = createBoundedMap<string, true>({ maxEntries: MAX_REPORTED });
  const reportUnreadable = (key: string): undefined => {
    if (reported.has(key)) return;
    reported.set(key, true);
    metrics.sessionEnded('unreadable');
    log.warn(
      { session: key, reason: 'unreadable' },
      'a session record cannot be opened: it was changed, or not written by a gateway',
    );
  };

  const warnOfUnknownKey = createUnknownKeyLog({
    log,
    clock: deps.clock,
    message: 'session records are sealed with a secret that this process does not have; they are kept',
  });
  const orThrowUnknownKey = <Result>(read: () => Result): Result => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      warnOfUnknownKey(error.keyId);
      throw unknownKey(error);
    }
  };

  /** SECURITY: only a record of the previous format may have an idle limit without an authentication code. */
  const idleLimitOf = (name: string, fields: RecordFields): number | undefined => {
    if (codec.isPreviousFormat(fields.envelope)) return fields.idleExpiresAtMs;
    return fields.sealedIdle && idleLimits.open(fields.sealedIdle, name);
  };

  const read = (key: string, fields: RecordFields): SessionRecord | undefined => {
    const name = recordKey(key);
    const data = codec.decode(fields.envelope, placeOf(name, fields));
    const idleExpiresAtMs = idleLimitOf(name, fields);
    if (data === undefined || idleExpiresAtMs === undefined) return undefined;
    deps.onGeneration(data.generation ?? 0);
    return sessionRecord({ key, data, version: fields.version, idleExpiresAtMs });
  };
  const open: RedisRecordReader['open'] = (key, fields) =>
    orThrowUnknownKey(() => read(key, fields)) ?? reportUnreadable(key);

  return {
    isUnreadable: reported.has,
    open,
    openIfKnown(key, fields) {
      try {
        return open(key, fields);
      } catch (error) {
        if (error instanceof GatewayError) return undefined;
        throw error;
      }
    },
    openView(key, fields, known) {
      const digest = hash('sha256', fields.envelope);
      const { version, endsAtMs } = fields;
      if (known?.version === version && known.endsAtMs === endsAtMs && digests.get(known.data) === digest) {
        const idleExpiresAtMs = orThrowUnknownKey(() => idleLimitOf(recordKey(key), fields));
        return idleExpiresAtMs === undefined ? reportUnreadable(key) : { ...known, idleExpiresAtMs };
      }
      const record = open(key, fields);
      if (record === undefined) return undefined;
      const view = sessionView(record, deps.claimSelection?.names());
      digests.set(view.data, digest);
      return view;
    },
  };
}
