import { livesUntilMs, type SessionRecord } from './session.ts';
import { writeCursor } from './store/position.ts';
import type { SessionPage } from './store/store.ts';

/** The public description of a session, for its user and for an operator. Times are ISO 8601. */
export type SessionDescription = {
  readonly id: string;
  readonly createdAt: string;
  /** The last recorded activity: up to a minute before the last request. */
  readonly lastSeenAt: string;
  /** When the session ends if it is not used again. */
  readonly expiresAt: string;
};

/** `idleTimeout` is in milliseconds. */
export function describeSession(record: SessionRecord, idleTimeout: number): SessionDescription {
  const { key, data, idleExpiresAtMs } = record;
  return {
    id: key,
    createdAt: isoOf(data.createdAtMs),
    lastSeenAt: isoOf(Math.max(data.createdAtMs, idleExpiresAtMs - idleTimeout)),
    expiresAt: isoOf(livesUntilMs(record)),
  };
}

/** The public form of a page of sessions; without `next`, it is the last one. */
export function describePage<Description>(
  { records, next }: SessionPage,
  describe: (record: SessionRecord) => Description,
): { sessions: Description[]; next?: string } {
  const sessions = records.map(describe);
  return next === undefined ? { sessions } : { sessions, next: writeCursor(next) };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
