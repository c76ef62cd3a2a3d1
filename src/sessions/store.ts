import type { Session, StoredSession } from './session.ts';

/** What became of a conditional write: another write was first (`conflict`), or the session has ended (`gone`). */
export type ReplaceResult = 'replaced' | 'conflict' | 'gone';

/** Something happened to a session, here or on another replica. */
export type SessionChange = { kind: 'changed' | 'ended'; key: string; version: number };

/**
 * Where sessions are. Absence is a value; an outage throws `store_unavailable` and never looks like an absence.
 * A record leaves the store by itself when the session is over.
 */
export type SessionStore = {
  load(key: string): Promise<StoredSession | undefined>;
  create(key: string, session: Session, idleExpiresAtMs: number): Promise<void>;
  /** Writes a session over `expectedVersion` of itself, as `expectedVersion + 1`; otherwise changes nothing. */
  replace(key: string, session: Session, expectedVersion: number): Promise<ReplaceResult>;
  /** Moves the idle limit, never backwards; gives false when the session has ended. */
  touch(key: string, idleExpiresAtMs: number): Promise<boolean>;
  /** Removes a session and gives it, as it was in that moment, to exactly one of all who try. */
  remove(key: string): Promise<StoredSession | undefined>;
  /** True while every change made on any replica is sure to reach {@link SessionStore.onChange}. */
  hearsChanges(): boolean;
  /** Calls for each change, and with undefined when changes may have been missed. */
  onChange(listener: (change: SessionChange | undefined) => void): void;
  /** Asks the store whether it is there. */
  ping(): Promise<void>;
  /** True once the store has been reached. */
  wasReachable(): boolean;
  close(): Promise<void>;
};
