import { unjitteredBackoffMs } from '../concurrency/backoff.ts';
import type { Logger } from '../observability/log.ts';
import { PENDING_WRITE_RETRY, OUTAGE_REPORT_INTERVAL_MS } from '../timing.ts';
import { isOver, type SessionData, type SessionRecord } from './session.ts';
import type { ReplaceResult, SessionStore } from './store/store.ts';

/** Records with new tokens that the store could not take. Memory has their only copy until a retry succeeds. */
export type PendingWrites = {
  /** The pending record of a session, if there is one. */
  get(key: string): SessionRecord | undefined;
  /** Drops the record of an ended session. Its retries go on, and find the session `gone` in the store. */
  drop(key: string): void;
  /** Keeps a record and retries the write, also whenever the store has reconnected, until it succeeds; gives the result, or `gone` if the session ends first. */
  add(record: SessionRecord, expectedVersion: number): Promise<ReplaceResult>;
};

export function createPendingWrites(deps: {
  store: SessionStore;
  clock: () => number;
  log: Logger;
}): PendingWrites {
  const { store, clock, log } = deps;
  const pending = new Map<string, SessionRecord>();

  // The session ended elsewhere: the pending record must serve no request.
  store.onChange((change) => {
    if (change?.kind === 'ended') pending.delete(change.key);
  });
  let warnedAtMs = -Infinity;
  /** An outage concerns many sessions: one line at intervals, with their number. */
  const logPending = () => {
    const isDue = clock() - warnedAtMs >= OUTAGE_REPORT_INTERVAL_MS;
    if (isDue) warnedAtMs = clock();
    log[isDue ? 'warn' : 'debug'](
      { pending: pending.size },
      'cannot write new tokens to the store; keeping them in memory until the store is back',
    );
  };
  const write = async (
    key: string,
    data: SessionData,
    version: number,
  ): Promise<ReplaceResult | undefined> => {
    try {
      return await store.replace(key, data, version);
    } catch {
      return undefined;
    }
  };

  /** Ends the pauses between attempts. */
  const wakers = new Set<() => void>();
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      wakers.add(wake);
    });
  // At once: a process that finds the old tokens waits for this only so long.
  store.onReconnect(() => wakers.forEach((wake) => wake()));

  return {
    get: (key) => pending.get(key),
    drop: (key) => void pending.delete(key),

    async add(record, expectedVersion) {
      pending.set(record.key, record);
      logPending();
      try {
        for (let failures = 1; !isOver(record, clock(), store.generation()); failures += 1) {
          await pause(unjitteredBackoffMs(failures, PENDING_WRITE_RETRY));
          const result = await write(record.key, record.data, expectedVersion);
          if (result !== undefined) return result;
        }
        return 'gone';
      } finally {
        if (pending.get(record.key) === record) pending.delete(record.key);
      }
    },
  };
}
