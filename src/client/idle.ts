import type { Session } from './session.ts';

/** Below the longest delay of a timer, which is 24.8 days. */
const LONGEST_DELAY_SECONDS = 1e6;

/** How long to wait after a request to which the gateway did not respond. */
const RETRY_SECONDS = 10;

/** Warns before a session ends for inactivity. */
export interface IdleWatch {
  /** Takes what the gateway has said about the session. */
  see(session: Session<unknown>): void;
  /** Asks for the session now, if there are listeners: it may have been extended. */
  check(): void;
  add(secondsBefore: number, listener: (secondsLeft: number) => void): () => void;
}

/**
 * Calls of the app extend the session without this page knowing, so the watch asks for the session when the time comes.
 * `ask` leads to `see`, and returns undefined during an outage.
 */
export function createIdleWatch(ask: () => Promise<unknown>): IdleWatch {
  const watchers = new Set<(session: Session<unknown>) => void>();

  return {
    see(session) {
      for (const watcher of watchers) watcher(session);
    },
    check() {
      if (watchers.size > 0) void ask();
    },
    add(secondsBefore, listener) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let warned = false;
      const check = () =>
        void ask().then((session) => {
          if (!session && watchers.has(watcher)) checkIn(RETRY_SECONDS);
        });
      const checkIn = (seconds: number) => {
        clearTimeout(timer);
        timer = setTimeout(check, Math.min(seconds, LONGEST_DELAY_SECONDS) * 1000);
      };
      const watcher = (session: Session<unknown>) => {
        clearTimeout(timer);
        if (!session.authenticated) return;
        const left = session.idleExpiresIn;
        const isNear = left <= secondsBefore;
        checkIn(isNear ? left + 1 : left - secondsBefore);
        if (isNear && !warned) queueMicrotask(() => listener(left));
        warned = isNear;
      };
      watchers.add(watcher);
      check();
      return () => {
        watchers.delete(watcher);
        clearTimeout(timer);
      };
    },
  };
}
