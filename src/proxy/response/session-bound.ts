import type { ServerResponse } from 'node:http';
import type { SessionView } from '../../sessions/session.ts';
import type { EndWatcher } from '../../sessions/end-watcher.ts';

/** Long responses, such as event streams and downloads, which end with their session. */
export type SessionBoundResponses = {
  /**
   * Follows a response until the returned function is called. When that takes longer than a second or two, and the session ends
   * first, the response is aborted.
   */
  follow(response: ServerResponse, session: SessionView): () => void;
};

type OpenResponse = {
  readonly response: ServerResponse;
  readonly session: SessionView;
  /** Its index among the open ones. */
  index: number;
  age: 'new' | 'old' | 'watched';
  unwatch: (() => void) | undefined;
};

/** How often the open responses are checked for long ones, in milliseconds. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * Watches the session of a response that is still open at its second check. A short response costs an entry in a list,
 * 0.1 µs where a request takes 100; in a Set it would be 0.5, and watching its session would be a read of the store.
 */
export function createSessionBoundResponses(endWatcher: EndWatcher): SessionBoundResponses {
  const open: OpenResponse[] = [];
  let timer: NodeJS.Timeout | undefined;

  const remove = ({ index }: OpenResponse) => {
    const last = open.pop();
    if (last === undefined || last.index === index) return;
    open[index] = last;
    last.index = index;
  };
  const check = () => {
    for (const entry of open) {
      if (entry.age === 'old') {
        entry.age = 'watched';
        // SECURITY: the watcher checks the session first: it may have ended before it was watched.
        entry.unwatch = endWatcher.watch(entry.session, () => entry.response.destroy());
      } else if (entry.age === 'new') entry.age = 'old';
    }
    timer = open.length === 0 ? undefined : checkLater();
  };
  const checkLater = () => setTimeout(check, CHECK_INTERVAL_MS).unref();

  return {
    follow(response, session) {
      const entry: OpenResponse = { response, session, index: open.length, age: 'new', unwatch: undefined };
      open.push(entry);
      timer ??= checkLater();
      return () => {
        remove(entry);
        entry.unwatch?.();
      };
    },
  };
}
