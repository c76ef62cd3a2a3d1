import { unjitteredBackoffMs } from '../concurrency/backoff.ts';
import type { Logger } from '../observability/log.ts';
import { PENDING_WRITE_RETRY } from '../timing.ts';
import { isOver, type SessionData, type SessionRecord } from './session.ts';
import type { ReplaceResult, SessionStore } from './store/store.ts';

/** Sessions whose new tokens could not be written yet: the only copy there is, so it is held and written when it can be. */
export type PendingWrites = {
  /** The newest state of a session that the store does not have yet, or undefined. */
  get(key: string): SessionRecord | undefined;
  /** Forgets the state of a session that has ended; what was to be written finds it `gone`. */
  drop(key: string): void;
  /** Holds a session and keeps writing; gives what became of it, or `gone` when it was over first. */
  hold(record: SessionRecord, expectedVersion: number): Promise<ReplaceResult>;
};

export function createPendingWrites(deps: {
  store: SessionStore;
  clock: () => number;
  log: Logger;
}): PendingWrites {
  const { store, clock, log } = deps;
  const held = new Map<string, SessionRecord>();

  // Ended elsewhere: what is held serves no request any more.
  store.onChange((change) => {
    if (change?.kind === 'ended') held.delete(change.key);
  });
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

  return {
    get: (key) => held.get(key),
    drop: (key) => void held.delete(key),

    async hold(record, expectedVersion) {
      held.set(record.key, record);
      log.warn('cannot write new tokens to the store; keeping them in memory until the store is back');
      try {
        for (let failures = 1; !isOver(record, clock(), store.generation()); failures += 1) {
          await new Promise((resolve) =>
            setTimeout(resolve, unjitteredBackoffMs(failures, PENDING_WRITE_RETRY)),
          );
          const result = await write(record.key, record.data, expectedVersion);
          if (result !== undefined) return result;
        }
        return 'gone';
      } finally {
        if (held.get(record.key) === record) held.delete(record.key);
      }
    },
  };
}
