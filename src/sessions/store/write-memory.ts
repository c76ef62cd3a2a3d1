import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import { MISSING_VERSION_MS } from '../../timing.ts';

/** A record as it was written: encrypted, so that memory holds no further copy of the tokens in plain text. */
export type WrittenRecord = {
  readonly version: number;
  readonly envelope: Buffer;
  readonly endsAtMs: number;
};

/**
 * What this process knows of the newest state of records, for a store that loses acknowledged writes (a failover, a restart
 * from an older snapshot): the records that it wrote, the versions that others announced, and the sessions that ended.
 */
export type WriteMemory = {
  wrote(key: string, record: WrittenRecord): void;
  heard(key: string, version: number): void;
  ended(key: string): void;
  /**
   * Compares a version that was read with the newest known one. `current`: nothing newer is known. `ended`: the session has
   * ended. `behind`: a newer version existed; `written` is that version if this process wrote it.
   */
  compare(key: string, version: number): Comparison;
  /** The record that this process wrote last for a session, if it is remembered. */
  writtenOf(key: string): WrittenRecord | undefined;
  /** The sessions whose record this process wrote, the newest write first. */
  writtenKeys(): readonly string[];
};

export type Comparison =
  | { readonly kind: 'current' | 'ended' }
  | { readonly kind: 'behind'; readonly written?: WrittenRecord | undefined };

/** How long a record that this process wrote is remembered, in milliseconds; Redis writes a snapshot at least that often by default. */
const WRITTEN_MS = 3_600_000;
/** The maximum size of the records that this process remembers, in bytes. */
const MAX_WRITTEN_BYTES = 16 * 1024 * 1024;
/** The maximum number of sessions of which a version is remembered, and of those of which the end is. */
const MAX_KNOWN = 20_000;
type Known = { readonly newest: number; missingSinceMs?: number };

export function createWriteMemory({ clock }: { clock: () => number }): WriteMemory {
  const known = createBoundedMap<string, Known>({ maxEntries: MAX_KNOWN });
  const ended = createBoundedMap<string, true>({ maxEntries: MAX_KNOWN });
  const records = createBoundedMap<string, { record: WrittenRecord; writtenAtMs: number }>({
    maxEntries: Infinity,
    maxSize: MAX_WRITTEN_BYTES,
    sizeOf: ({ record }) => record.envelope.length,
    isExpired: ({ writtenAtMs }) => clock() - writtenAtMs >= WRITTEN_MS,
  });

  const heard = (key: string, version: number) => {
    if (version > (known.get(key)?.newest ?? 0)) known.set(key, { newest: version });
  };

  return {
    wrote(key, record) {
      if (ended.has(key)) return;
      records.set(key, { record, writtenAtMs: clock() });
      heard(key, record.version);
    },
    heard(key, version) {
      heard(key, version);
      if ((records.get(key)?.record.version ?? Infinity) < version) records.delete(key);
    },
    ended(key) {
      records.delete(key);
      known.delete(key);
      ended.set(key, true);
    },
    compare(key, version) {
      if (ended.has(key)) return { kind: 'ended' };
      const written = records.get(key)?.record;
      if (written !== undefined && written.version > version) return { kind: 'behind', written };
      const entry = known.get(key);
      if (entry === undefined) return { kind: 'current' };
      if (entry.newest <= version) {
        delete entry.missingSinceMs;
        return { kind: 'current' };
      }
      entry.missingSinceMs ??= clock();
      if (clock() - entry.missingSinceMs < MISSING_VERSION_MS) return { kind: 'behind' };
      known.delete(key);
      return { kind: 'current' };
    },
    writtenOf: (key) => records.get(key)?.record,
    writtenKeys: () => [...records.keys()].toReversed(),
  };
}
