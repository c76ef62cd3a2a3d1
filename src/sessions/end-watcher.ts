import { jittered } from '../concurrency/backoff.ts';
import { isOver, livesUntilMs, type SessionView } from './session.ts';
import type { SessionStore } from './store/store.ts';

/** Reports the end of a session to code that keeps a resource open for it, such as a socket. */
export type EndWatcher = {
  /** Calls `onEnd` once when the session ends: here, on another replica, or at a limit. Returns a function that stops it. */
  watch(session: SessionView, onEnd: () => void): () => void;
};

/** The longest time between two checks of a watched session, in milliseconds; below the maximum delay of a timer. */
const LONGEST_CHECK_INTERVAL_MS = 3_600_000;
/** The longest time until a check after a store error or missed messages, in milliseconds. */
const RECHECK_WITHIN_MS = 1_000;

/** A watched session with all its listeners. Keeps no session data, so tokens are not kept either. */
type Watch = { readonly key: string; readonly listeners: Set<() => void>; timer: NodeJS.Timeout | undefined };

/** Watches sessions through the messages of the store, and checks the records when messages may have been missed. */
export function createEndWatcher(deps: { store: SessionStore; clock: () => number }): EndWatcher {
  const { store, clock } = deps;
  const watches = new Map<string, Watch>();

  const isActive = (watch: Watch) => watches.get(watch.key) === watch;
  const stop = (watch: Watch) => {
    clearTimeout(watch.timer);
    if (isActive(watch)) watches.delete(watch.key);
  };
  const end = (watch: Watch) => {
    if (!isActive(watch)) return;
    stop(watch);
    for (const onEnd of watch.listeners) onEnd();
  };
  const check = async (watch: Watch, known?: SessionView) => {
    try {
      const session = await store.loadView(watch.key, known);
      if (session === undefined || isOver(session, clock(), store.generation())) return end(watch);
      scheduleCheck(watch, livesUntilMs(session) - clock());
    } catch {
      scheduleRecheck(watch);
    }
  };
  const scheduleCheck = (watch: Watch, delayMs: number) => {
    if (!isActive(watch)) return;
    clearTimeout(watch.timer);
    watch.timer = setTimeout(
      () => void check(watch),
      Math.min(LONGEST_CHECK_INTERVAL_MS, Math.max(1, delayMs)),
    );
    watch.timer.unref();
  };
  /** Spread over time, so that a store that has just recovered does not get a request for every session at once. */
  const scheduleRecheck = (watch: Watch) => scheduleCheck(watch, jittered(RECHECK_WITHIN_MS, 0, 1));

  store.onChange((change) => {
    if (change === undefined) watches.forEach(scheduleRecheck);
    else if (change.kind === 'ended') {
      const watch = watches.get(change.key);
      if (watch !== undefined) end(watch);
    }
  });

  const begin = (session: SessionView): Watch => {
    const watch: Watch = { key: session.key, listeners: new Set(), timer: undefined };
    watches.set(watch.key, watch);
    // SECURITY: the session may have ended after it was loaded and before this watch existed. A listener that joins an
    // existing watch needs no check: the message would have ended the watch.
    void check(watch, session);
    return watch;
  };

  return {
    watch(session, onEnd) {
      const watch = watches.get(session.key) ?? begin(session);
      watch.listeners.add(onEnd);
      return () => {
        watch.listeners.delete(onEnd);
        if (watch.listeners.size === 0) stop(watch);
      };
    },
  };
}
