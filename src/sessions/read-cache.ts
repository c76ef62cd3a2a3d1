import { createBoundedMap } from '../concurrency/bounded-map.ts';
import { sizeOfClaims } from './store/claim-selection.ts';
import type { SessionView } from './session.ts';
import type { SessionStore } from './store/store.ts';

/** Recently loaded sessions, so that most requests need no read from the store. */
export type ReadCache = {
  /** A session that was loaded or written less than `maxAge` ago and has not changed since. */
  get(key: string): SessionView | undefined;
  /** The last known state of a session, however old: for the log, not to serve. Undefined if it is not remembered. */
  lastSeen(key: string): SessionView | undefined;
  /** True if this process has recently learned of the end of the session. */
  hasEnded(key: string): boolean;
  /** Loads a session from the store. Concurrent calls for the same session share one read. */
  load(key: string): Promise<SessionView | undefined>;
  put(session: SessionView): void;
  /** Updates the idle limit of a cached session; its age stays the same. */
  touch(key: string, idleExpiresAtMs: number): void;
  drop(key: string): void;
  /** Forgets every session. Reads in progress are not remembered. */
  clear(): void;
  /** Changes its limits. It may be empty afterwards. */
  configure(limits: CacheLimits): void;
};

/** `session.cache` */
type CacheLimits = { readonly maxAge: number; readonly maxEntries: number };

/** The maximum number of tombstones: keys of ended sessions that a late read or write must not bring back. */
const MAX_TOMBSTONES = 10_000;
/** How long an entry that is too old to serve stays for reuse by the store, in milliseconds; unused tokens do not stay longer. */
const REUSABLE_MS = 60_000;

/** How much memory the cache takes for each session that it may hold, in bytes; with larger tokens it holds fewer. */
const BYTES_PER_SESSION = 4_096;
/** What a session takes besides the text of its tokens, in bytes: a generous estimate. */
const OVERHEAD_BYTES = 1_024;

type Entry = { session: SessionView; readAtMs: number };
type PendingRead = { result: Promise<SessionView | undefined>; outdated: boolean };

/**
 * A read cache of at most `maxEntries` sessions, 4 KiB each on average, and each for at most `maxAge` milliseconds. A change
 * on any replica drops the entry, and the cache serves nothing while the subscription is down. An entry that is too old to
 * serve still saves the store from decrypting an unchanged record.
 */
export function createReadCache(deps: CacheLimits & { store: SessionStore; clock: () => number }): ReadCache {
  const { store, clock } = deps;
  const createEntries = ({ maxAge, maxEntries }: CacheLimits) => {
    const retentionMs = Math.max(maxAge, REUSABLE_MS);
    return createBoundedMap<string, Entry>({
      maxEntries,
      maxSize: maxEntries * BYTES_PER_SESSION,
      sizeOf: ({ session }) => sizeOf(session),
      isExpired: ({ readAtMs }) => clock() - readAtMs >= retentionMs,
    });
  };
  let { maxAge, maxEntries } = deps;
  let entries = createEntries(deps);
  const reads = new Map<string, PendingRead>();
  const tombstones = createBoundedMap<string, true>({ maxEntries: MAX_TOMBSTONES });

  const put = (session: SessionView) => {
    if (!tombstones.has(session.key)) entries.set(session.key, { session, readAtMs: clock() });
  };
  const addTombstone = (key: string) => {
    entries.delete(key);
    tombstones.set(key, true);
  };

  const clear = () => {
    entries.clear();
    for (const read of reads.values()) read.outdated = true;
  };

  store.onChange((change) => {
    if (change === undefined) return clear();
    const entry = entries.get(change.key);
    if (change.kind === 'ended') addTombstone(change.key);
    // The messages of this process's own writes come back, and must not drop an entry of the same version.
    else if (entry !== undefined && entry.session.version < change.version) entries.delete(change.key);
    const read = reads.get(change.key);
    if (read !== undefined) read.outdated = true;
  });

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined || !store.isSubscribed()) return undefined;
      // An entry that is too old stays: the store can reuse it.
      return clock() - entry.readAtMs < maxAge ? entry.session : undefined;
    },

    hasEnded: tombstones.has,
    lastSeen: (key) => entries.get(key)?.session,

    load(key) {
      const pendingRead = reads.get(key);
      if (pendingRead !== undefined && !pendingRead.outdated) return pendingRead.result;
      const read: PendingRead = {
        outdated: false,
        result: store
          .loadView(key, entries.get(key)?.session)
          .then((session) => {
            if (session === undefined) entries.delete(key);
            else if (!read.outdated) put(session);
            return session;
          })
          .finally(() => {
            if (reads.get(key) === read) reads.delete(key);
          }),
      };
      reads.set(key, read);
      return read.result;
    },

    put,
    touch(key, idleExpiresAtMs) {
      const entry = entries.get(key);
      if (entry !== undefined) entry.session = { ...entry.session, idleExpiresAtMs };
    },
    drop: (key) => entries.delete(key),
    clear,
    configure(limits) {
      if (limits.maxAge === maxAge && limits.maxEntries === maxEntries) return;
      ({ maxAge, maxEntries } = limits);
      entries = createEntries(limits);
    },
  };
}

/** The memory that a session takes, in bytes. Tokens are ASCII, one byte a character. */
function sizeOf({ data }: SessionView): number {
  const tokens = Object.values(data.tokens.access);
  return tokens.reduce(
    (bytes, { value, scope = '' }) => bytes + value.length + scope.length,
    OVERHEAD_BYTES + sizeOfClaims(data.claims),
  );
}
