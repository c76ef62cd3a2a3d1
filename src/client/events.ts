/**
 * Why the page has no session any more: a call carried none (`session_required`), it has ended (`session_expired`), the
 * user signed out in another tab (`signed_out`), or signed in there as somebody else (`user_changed`).
 */
export type SessionEnded = 'session_required' | 'session_expired' | 'signed_out' | 'user_changed';

/** A call that needs another sign-in. Pass `loginUrl` to `login()`. */
export interface StepUp {
  loginUrl: string;
  /** What the API demands (RFC 9470), as the gateway's response says it. */
  stepUp: { acrValues?: string[]; maxAge?: number; scopes?: string[] } | undefined;
}

/** Listeners of one kind of event. */
export interface Listeners<Event> {
  /** Adds a listener. Returns a function that removes it. */
  add(listener: (event: Event) => void): () => void;
  emit(event: Event): void;
}

export function createListeners<Event>(): Listeners<Event> {
  const listeners = new Set<(event: Event) => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    emit(event) {
      // A microtask each, so that a listener that throws does not make the caller's request fail.
      for (const listener of listeners) queueMicrotask(() => listener(event));
    },
  };
}
