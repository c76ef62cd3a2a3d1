import { jittered } from '../concurrency/backoff.ts';
import { isOver, livesUntilMs, type SessionView } from './session.ts';
import type { SessionStore } from './store/store.ts';

/** Tells who keeps something open for a session, such as a socket, when the session has ended. */
export type EndWatcher = {
  /** Calls `onEnd` once when the session ends, here, on another replica or by its limits; returns the way to stop. */
  watch(session: SessionView, onEnd: () => void): () => void;
};

/** The longest pause between two looks at a watched session, in milliseconds; also what a timer can hold. */
const LONGEST_PAUSE_MS = 3_600_000;
/** Within what time to look again when the store could not be asked, or messages may have been missed; milliseconds. */
const SOON_MS = 1_000;

/** One session that is watched, by however many. Of the session itself, tokens and all, nothing is held. */
type Watch = { readonly key: string; readonly listeners: Set<() => void>; timer: NodeJS.Timeout | undefined };

/** Watches sessions by the store's messages, and by its records where messages may have been missed. */
export function createEndWatcher(deps: { store: SessionStore; clock: () => number }): EndWatcher {
  const { store, clock } = deps;
  const watches = new Map<string, Watch>();

  const isOn = (watch: Watch) => watches.get(watch.key) === watch;
  const stop = (watch: Watch) => {
    clearTimeout(watch.timer);
    if (isOn(watch)) watches.delete(watch.key);
  };
  const end = (watch: Watch) => {
    if (!isOn(watch)) return;
    stop(watch);
    for (const onEnd of watch.listeners) onEnd();
  };
  const look = async (watch: Watch, known?: SessionView) => {
    try {
      const session = await store.loadView(watch.key, known);
      if (session === undefined || isOver(session, clock(), store.generation())) return end(watch);
      arm(watch, livesUntilMs(session) - clock());
    } catch {
      armSoon(watch);
    }
  };
  const arm = (watch: Watch, pauseMs: number) => {
    if (!isOn(watch)) return;
    clearTimeout(watch.timer);
    watch.timer = setTimeout(() => void look(watch), Math.min(LONGEST_PAUSE_MS, Math.max(1, pauseMs)));
    watch.timer.unref();
  };
  /** Not all in one moment: a store that has just come back would be asked for every session at once. */
  const armSoon = (watch: Watch) => arm(watch, jittered(SOON_MS, 0, 1));

  store.onChange((change) => {
    if (change === undefined) watches.forEach(armSoon);
    else if (change.kind === 'ended') {
      const watch = watches.get(change.key);
      if (watch !== undefined) end(watch);
    }
  });

  const begin = (session: SessionView): Watch => {
    const watch: Watch = { key: session.key, listeners: new Set(), timer: undefined };
    watches.set(watch.key, watch);
    // SECURITY: it may have ended since it was read, and the message have come before anybody listened. Whoever joins a
    // watch later needs no look of its own: that message would have ended it.
    void look(watch, session);
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
