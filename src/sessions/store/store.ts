import type { SessionView, Owner, SessionData, SessionRecord } from '../session.ts';

/** What became of a conditional write: another write was first (`conflict`), or the session has ended (`gone`). */
export type ReplaceResult = 'replaced' | 'conflict' | 'gone';

/** Something happened to a session, here or on another replica. */
export type SessionChange = { kind: 'changed' | 'ended'; key: string; version: number };

/** What a note is about: its kind, and what tells it from the others of that kind. */
export type MarkerSubject = readonly [kind: string, ...about: string[]];

/**
 * Where sessions are. Absence is a value; an outage throws `store_unavailable` and never looks like an absence.
 * A record leaves the store by itself when the session is over.
 */
export type SessionStore = {
  loadRecord(key: string): Promise<SessionRecord | undefined>;
  /** Reads what requests need. What was read before, if `known`, may be given again when nothing about it has changed. */
  loadView(key: string, known?: SessionView): Promise<SessionView | undefined>;
  /** Puts a session into the store, in the generation of now. From when it can be loaded it is found by its owners. */
  create(key: string, data: SessionData, idleExpiresAtMs: number): Promise<void>;
  /** Writes a session over `expectedVersion` of itself, as `expectedVersion + 1`; otherwise changes nothing. */
  replace(key: string, data: SessionData, expectedVersion: number): Promise<ReplaceResult>;
  /** Moves the idle limit, never backwards; gives false when the session has ended. */
  touch(key: string, idleExpiresAtMs: number): Promise<boolean>;
  /** Removes a session and gives it, as it was in that moment, to exactly one of all who try. */
  remove(key: string): Promise<SessionRecord | undefined>;
  /** All sessions of an owner. Costs as much as they are many, however many sessions others have. */
  ofOwner(owner: Owner): Promise<readonly SessionRecord[]>;

  /** Begins another generation of sessions: all that there are belong to an older one. Touches none of them. */
  beginGeneration(): Promise<void>;
  /** The generation of now, as far as this process knows; after a `load` it knows. 0 is the first. */
  generation(): number;

  /** Keeps a short text for `ttlMs`. */
  putMarker(subject: MarkerSubject, text: string, ttlMs: number): Promise<void>;
  /** The text kept on a subject, or undefined. */
  getMarker(subject: MarkerSubject): Promise<string | undefined>;

  /** True while every change made on any replica is sure to reach {@link SessionStore.onChange}. */
  isSubscribed(): boolean;
  /** Calls for each change, and with undefined when changes may have been missed or concern every session. */
  onChange(listener: (change: SessionChange | undefined) => void): void;
  /** Asks the store whether it is there. */
  ping(): Promise<void>;
  /** True once the store has been reached. */
  wasReachable(): boolean;
  close(): Promise<void>;
};
