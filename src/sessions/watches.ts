import { isOver, sessionEndsAtMs, type StoredSession } from './session.ts';
import type { SessionStore } from './store.ts';

/** Tells who keeps something open for a session, such as a socket, when the session has ended. */
export type Watches = {
  /** Calls `onEnd` once when the session ends, here, on another replica or by its limits; returns the way to stop. */
  watch(stored: StoredSession, onEnd: () => void): () => void;
};

/** The longest pause between two looks at a watched session, in milliseconds; also what a timer can hold. */
const LONGEST_PAUSE_MS = 3_600_000;
/** How soon to look again when the store could not be asked, in milliseconds. */
const RETRY_MS = 1_000;

type Watch = { stored: StoredSession; onEnd: () => void; timer: NodeJS.Timeout | undefined };

/** Watches sessions by the store's messages, and by its records where messages may have been missed. */
export function createWatches(deps: { store: SessionStore; clock: () => number }): Watches {
  const { store, clock } = deps;
  const watches = new Map<string, Set<Watch>>();

  const isOn = (watch: Watch) => watches.get(watch.stored.key)?.has(watch) === true;
  const stop = (watch: Watch) => {
    clearTimeout(watch.timer);
    const same = watches.get(watch.stored.key);
    same?.delete(watch);
    if (same?.size === 0) watches.delete(watch.stored.key);
  };
  const end = (watch: Watch) => {
    if (!isOn(watch)) return;
    stop(watch);
    watch.onEnd();
  };
  const look = async (watch: Watch) => {
    try {
      const stored = await store.load(watch.stored.key);
      if (stored === undefined || isOver(stored, clock(), store.generation())) return end(watch);
      watch.stored = stored;
      arm(watch, Math.min(stored.idleExpiresAtMs, sessionEndsAtMs(stored.session)) - clock());
    } catch {
      arm(watch, RETRY_MS);
    }
  };
  const arm = (watch: Watch, pauseMs: number) => {
    if (!isOn(watch)) return;
    clearTimeout(watch.timer);
    watch.timer = setTimeout(() => void look(watch), Math.min(LONGEST_PAUSE_MS, Math.max(1, pauseMs)));
    watch.timer.unref();
  };

  store.onChange((change) => {
    if (change === undefined) {
      for (const same of watches.values()) for (const watch of same) arm(watch, RETRY_MS);
    } else if (change.kind === 'ended') {
      for (const watch of watches.get(change.key) ?? []) end(watch);
    }
  });

  return {
    watch(stored, onEnd) {
      const watch: Watch = { stored, onEnd, timer: undefined };
      const same = watches.get(stored.key) ?? new Set();
      watches.set(stored.key, same.add(watch));
      // SECURITY: it may have ended since it was read, and the message have come before anybody listened.
      void look(watch);
      return () => stop(watch);
    },
  };
}
