import { createBoundedMap } from '../concurrency/bounded-map.ts';
import type { SessionView } from './session.ts';
import type { SessionStore } from './store/store.ts';

/** Sessions read a moment ago, so that most requests ask the store nothing. */
export type ReadCache = {
  /** A session read or written less than `maxAge` ago and not changed since, or undefined. */
  get(key: string): SessionView | undefined;
  /** Reads from the store; one read serves all who ask for the same session meanwhile. */
  load(key: string): Promise<SessionView | undefined>;
  put(session: SessionView): void;
  /** Notes how long a session that is held lives unless it is used; it stays as old as it was. */
  touch(key: string, idleExpiresAtMs: number): void;
  drop(key: string): void;
};

/** How many ended sessions are remembered, so that no late read or write brings one of them back into the cache. */
const REMEMBERED_ENDS = 10_000;
/** How long what may be served no more is kept for the store, in milliseconds: tokens nobody asks for do not lie about. */
const KEPT_MS = 60_000;

type Entry = { session: SessionView; readAtMs: number };
type Read = { result: Promise<SessionView | undefined>; outdated: boolean };

/**
 * A cache before the store, of at most `maxEntries` sessions for at most `maxAge` milliseconds. Every change on any
 * replica drops the entry; while changes may go unheard, nothing is served from it. What is too old to be served spares
 * the store the opening of a record that is still the same.
 */
export function createReadCache(deps: {
  store: SessionStore;
  maxAge: number;
  maxEntries: number;
  clock: () => number;
}): ReadCache {
  const { store, maxAge, maxEntries, clock } = deps;
  const keptMs = Math.max(maxAge, KEPT_MS);
  const entries = createBoundedMap<string, Entry>({
    maxEntries,
    isExpired: ({ readAtMs }) => clock() - readAtMs >= keptMs,
  });
  const reads = new Map<string, Read>();
  const ended = createBoundedMap<string, true>({ maxEntries: REMEMBERED_ENDS });

  const put = (session: SessionView) => {
    if (!ended.has(session.key)) entries.set(session.key, { session, readAtMs: clock() });
  };
  const bury = (key: string) => {
    entries.delete(key);
    ended.set(key, true);
  };

  store.onChange((change) => {
    if (change === undefined) {
      entries.clear();
      for (const read of reads.values()) read.outdated = true;
      return;
    }
    const entry = entries.get(change.key);
    if (change.kind === 'ended') bury(change.key);
    // Our own writes come back as messages: they must not drop what is as new.
    else if (entry !== undefined && entry.session.version < change.version) entries.delete(change.key);
    const read = reads.get(change.key);
    if (read !== undefined) read.outdated = true;
  });

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined || !store.isSubscribed()) return undefined;
      // One that is too old is still of use to the store, which need not open the record again.
      return clock() - entry.readAtMs < maxAge ? entry.session : undefined;
    },

    load(key) {
      const running = reads.get(key);
      if (running !== undefined && !running.outdated) return running.result;
      const read: Read = {
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
    drop: entries.delete,
  };
}
