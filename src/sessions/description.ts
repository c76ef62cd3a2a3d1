import { livesUntilMs, type SessionRecord } from './session.ts';

/** What may be said of a session to its person and to an operator. Times are ISO 8601. */
export type SessionDescription = {
  readonly id: string;
  readonly createdAt: string;
  /** The last activity, as far as it was written down: up to a minute before the last request. */
  readonly lastSeenAt: string;
  /** When it ends, unless it is used before that. */
  readonly expiresAt: string;
};

/** Describes a session. `idleTimeout` is in milliseconds. */
export function describeSession(stored: SessionRecord, idleTimeout: number): SessionDescription {
  const { key, session, idleExpiresAtMs } = stored;
  return {
    id: key,
    createdAt: isoOf(session.createdAtMs),
    lastSeenAt: isoOf(Math.max(session.createdAtMs, idleExpiresAtMs - idleTimeout)),
    expiresAt: isoOf(livesUntilMs(stored)),
  };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
