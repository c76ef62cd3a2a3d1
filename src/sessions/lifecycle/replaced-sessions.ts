import type { MarkerSubject, SessionStore } from '../store/store.ts';
import type { Tickets } from '../ticket.ts';

/** The sessions that a later sign-in of their browser has just replaced. */
export type ReplacedSessions = {
  /** Remembers a session, before it ends. Never throws. */
  add(key: string): Promise<void>;
  /**
   * The Set-Cookie values that delete the cookie of an ended session. None for a session that was just replaced: the browser may
   * have the cookie of the next session by the time this response arrives, and would delete that one.
   */
  clearCookie(cookieHeader: string | undefined): Promise<string[]>;
};

/** How long a session is remembered, in milliseconds: longer than most requests of its browser take. */
const REMEMBERED_MS = 60_000;

export function createReplacedSessions(deps: {
  store: Pick<SessionStore, 'putMarker' | 'getMarker'>;
  tickets: Pick<Tickets, 'read' | 'clear'>;
}): ReplacedSessions {
  const { store, tickets } = deps;
  return {
    async add(key) {
      // A sign-in that has succeeded must not fail for this.
      await store.putMarker(replacedMarker(key), '', REMEMBERED_MS).catch(() => undefined);
    },
    async clearCookie(cookieHeader) {
      const ticket = await tickets.read(cookieHeader);
      if (ticket.kind === 'ticket' && (await store.getMarker(replacedMarker(ticket.key))) !== undefined)
        return [];
      return [tickets.clear()];
    },
  };
}

function replacedMarker(key: string): MarkerSubject {
  return ['replaced', key];
}
