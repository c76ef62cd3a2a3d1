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
export function describeSession(record: SessionRecord, idleTimeout: number): SessionDescription {
  const { key, data, idleExpiresAtMs } = record;
  return {
    id: key,
    createdAt: isoOf(data.createdAtMs),
    lastSeenAt: isoOf(Math.max(data.createdAtMs, idleExpiresAtMs - idleTimeout)),
    expiresAt: isoOf(livesUntilMs(record)),
  };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
