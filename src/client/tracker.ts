import { createListeners, type Listeners, type SessionEnded } from './events.ts';
import type { Session } from './session.ts';
import { openTabs, type TabMessage } from './tabs.ts';

/** After this time, a sign-out that has not left the page counts as cancelled: by the user, or a provider that hangs. */
const SIGN_OUT_TIMEOUT_MS = 10_000;

/** How often a page that signs out asks whether the session has ended, so that the other tabs learn it. */
const SIGN_OUT_POLL_MS = 500;

/** Tracks the session of this page, and reports its end once. */
export interface SessionTracker {
  readonly ends: Listeners<SessionEnded>;
  /** The number of the current session, for `reportEnd`. */
  number(): number;
  /** Why the current session has ended, if it has. */
  endedBy(): SessionEnded | undefined;
  /** Whether a sign-out has begun: nothing is reported, because a listener could undo the sign-out. */
  isSigningOut(): boolean;
  /** Takes what the gateway has said about the session. */
  see(session: Session<unknown>): void;
  /** Reports that a call found its session ended, unless that is known, or the call was sent in an earlier session. */
  reportEnd(reason: SessionEnded, sentInSession?: number): void;
  /** Call it right before the page leaves for the sign-out. */
  beginSignOut(): void;
}

/** `ask` asks the gateway for the session, which must lead to `see`, and returns undefined during an outage. */
export function createSessionTracker(
  channel: string,
  ask: () => Promise<Session<unknown> | undefined>,
): SessionTracker {
  const ends = createListeners<SessionEnded>();
  const tellTabs = openTabs(channel, hear);

  // Several calls can find the same session ended, some of them after the next session has started. A call reports an end
  // only if its own session is still the current one.
  let number = 0;
  let endedBy: SessionEnded | undefined;
  /** Who is signed in, as far as this page knows. */
  let subject: string | undefined;
  /** The reason that a tab has given for the end that this page is about to find. */
  let announced: SessionEnded | undefined;
  let isSigningOut = false;

  function reportEnd(reason: SessionEnded, sentInSession = number): void {
    if (isSigningOut || endedBy || sentInSession !== number) return;
    endedBy = announced ?? reason;
    subject = undefined;
    ends.emit(endedBy);
    if (!announced) tellTabs({ reason });
  }

  function see(session: Session<unknown>): void {
    if (!session.authenticated) {
      if (subject !== undefined) reportEnd('session_expired');
      return;
    }
    if (endedBy) {
      number += 1;
      endedBy = undefined;
    }
    if (subject === session.subject) return;
    if (subject !== undefined) reportEnd('user_changed');
    subject = session.subject;
    tellTabs({ subject });
  }

  function confirmEnd(reason: SessionEnded): void {
    announced ??= reason;
    void ask().then(() => (announced = undefined));
  }

  /** SECURITY: a message of another tab only makes this page ask the gateway. */
  function hear(message: TabMessage): void {
    if ('subject' in message) {
      if (endedBy || (subject !== undefined && subject !== message.subject)) confirmEnd('user_changed');
    } else if (message.isPending) {
      announced = message.reason;
      // The sign-out may be cancelled, and the session end for another reason later.
      setTimeout(confirmEnd, SIGN_OUT_TIMEOUT_MS, announced);
    } else confirmEnd(message.reason);
  }

  function tellSignOut(): void {
    void ask().then((session) => {
      if (session?.authenticated === false) tellTabs({ reason: 'signed_out' });
      else if (isSigningOut) setTimeout(tellSignOut, SIGN_OUT_POLL_MS);
    });
  }

  /** The page is still there, or there again: it may show the user who has signed out. */
  function stay(): void {
    if (!isSigningOut) return;
    isSigningOut = false;
    confirmEnd('signed_out');
  }

  if (globalThis.document) {
    addEventListener('pageshow', ({ persisted }) => {
      // The back-forward cache keeps a page as it was, with the data of a user who may have signed out since.
      if (!persisted) return;
      if (isSigningOut) stay();
      else void ask();
    });
  }

  return {
    ends,
    number: () => number,
    endedBy: () => endedBy,
    isSigningOut: () => isSigningOut,
    see,
    reportEnd,
    beginSignOut() {
      isSigningOut = true;
      tellTabs({ reason: 'signed_out', isPending: true });
      addEventListener('pagehide', () => tellTabs({ reason: 'signed_out' }), { once: true });
      setTimeout(stay, SIGN_OUT_TIMEOUT_MS);
      setTimeout(tellSignOut, SIGN_OUT_POLL_MS);
    },
  };
}
