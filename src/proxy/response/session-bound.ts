import type { ServerResponse } from 'node:http';
import type { SessionView } from '../../sessions/session.ts';
import type { EndWatcher } from '../../sessions/end-watcher.ts';

/** Answers that last, such as event streams and long downloads, and end with the session they belong to. */
export type SessionBoundResponses = {
  /**
   * Settles as `passage` does. When that takes longer than a second or two, and the session ends before it does, the
   * answer is cut off, wherever it has got to.
   */
  follow(passage: Promise<void>, response: ServerResponse, session: SessionView): Promise<void>;
};

type Answer = {
  readonly response: ServerResponse;
  readonly session: SessionView;
  /** Its place among those that are open. */
  place: number;
  age: 'new' | 'old' | 'watched';
  unwatch: (() => void) | undefined;
};

/** How often the open answers are looked through for those that last, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/**
 * Watches the session of an answer that is open from one look to the next but one. A short answer costs a place in a list,
 * 0.1 µs where a request takes 100; in a Set it would be 0.5, and a watch of its own would be a read of the store.
 */
export function createSessionBoundResponses(watches: EndWatcher): SessionBoundResponses {
  const open: Answer[] = [];
  let timer: NodeJS.Timeout | undefined;

  const leave = ({ place }: Answer) => {
    const last = open.pop();
    if (last === undefined || last.place === place) return;
    open[place] = last;
    last.place = place;
  };
  const look = () => {
    for (const answer of open) {
      if (answer.age === 'old') {
        answer.age = 'watched';
        // SECURITY: the watch looks at the session first: it may have ended while nobody listened.
        answer.unwatch = watches.watch(answer.session, () => answer.response.destroy());
      } else if (answer.age === 'new') answer.age = 'old';
    }
    timer = open.length === 0 ? undefined : lookLater();
  };
  const lookLater = () => setTimeout(look, LOOK_EVERY_MS).unref();

  return {
    async follow(passage, response, session) {
      const answer: Answer = { response, session, place: open.length, age: 'new', unwatch: undefined };
      open.push(answer);
      timer ??= lookLater();
      try {
        await passage;
      } finally {
        leave(answer);
        answer.unwatch?.();
      }
    },
  };
}
