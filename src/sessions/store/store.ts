import type { MarkResult, Sending, SpendMark } from './spend-mark.ts';
import type { SessionView, Owner, SessionData, SessionRecord } from '../session.ts';
import type { Position } from './position.ts';

/** The result of a conditional write. `conflict`: another write came first. `gone`: the session has ended. */
export type ReplaceResult = 'replaced' | 'conflict' | 'gone';

/** Secrets that are no longer configured, and those that still are. */
export type RemovedSecrets = { readonly removed: readonly string[]; readonly remaining: readonly string[] };

/** A session that a removed secret sealed. */
export type SealedSession = { readonly key: string | undefined; readonly data: SessionData };

/** A change of a session, on this replica or another one. */
export type SessionChange = { kind: 'changed' | 'ended'; key: string; version: number };

/** Names a marker: its kind, and the values that identify it within the kind. */
export type MarkerSubject = readonly [kind: string, ...values: string[]];

/** Some sessions of an owner. If more may follow, `next` is the position after which they begin. */
export type SessionPage = {
  readonly records: readonly SessionRecord[];
  readonly next: Position | undefined;
};

/**
 * The session store. A missing session is a value; an outage throws `store_unavailable` and never looks like a missing
 * session. Records expire at the limits of their session.
 */
export type SessionStore = {
  loadRecord(key: string): Promise<SessionRecord | undefined>;
  /** How many keys with an expiry the store holds: a record for each session, index entries, markers. NaN if that is not permitted. */
  countKeys(): Promise<number>;
  /**
   * Loads a record whose refresh token may be spent. Throws `store_unavailable` if the store has lost a newer version of it,
   * which another process may still have.
   */
  loadForRefresh(key: string): Promise<SessionRecord | undefined>;
  /** Loads what requests need. Reuses the data of `known`, an earlier result, if the record has not changed. */
  loadView(key: string, known?: SessionView): Promise<SessionView | undefined>;
  /** True if the record of a session could not be opened, which the store has reported. */
  isUnreadable(key: string): boolean;
  /**
   * Creates a session in the current generation. The index lists it before it can be loaded. The count of unanswered sendings
   * passes to it from a session among `predecessors` that has the same refresh token. `onStored` runs once the session can be loaded,
   * beside the last write of the index, and its errors are those of `create`.
   */
  create(
    key: string,
    data: SessionData,
    idleExpiresAtMs: number,
    predecessors?: readonly string[],
    onStored?: () => Promise<void>,
  ): Promise<void>;
  /**
   * Replaces the data if the version is `expectedVersion`, increments the version, and removes a spend mark and the count of
   * unanswered sendings; otherwise changes nothing. With `unless_marked`, for data with the same refresh token, a record with
   * a spend mark is a conflict, and the count stays.
   */
  replace(
    key: string,
    data: SessionData,
    expectedVersion: number,
    condition?: 'unless_marked',
  ): Promise<ReplaceResult>;
  /** Marks a record before its refresh token is spent. */
  markSpend(mark: SpendMark): Promise<MarkResult>;
  /** Removes the mark of this owner. An answered sending no longer counts. */
  unmarkSpend(key: string, owner: string, sending: Sending): Promise<void>;
  /** Extends the idle limit, never shortens it; gives false if the session has ended. */
  touch(key: string, idleExpiresAtMs: number): Promise<boolean>;
  /** Removes a session. Of concurrent callers, exactly one gets the removed record. */
  remove(key: string): Promise<SessionRecord | undefined>;
  /**
   * The sessions of an owner after a position, at most `limit`, in the order of their absolute limits. They may include
   * expired ones, and may be fewer than the limit. The cost depends on the limit only.
   */
  page(owner: Owner, limit: number, after?: Position): Promise<SessionPage>;
  /** The number of an owner's sessions, and possibly of some that have expired. Reads no session. */
  count(owner: Owner): Promise<number>;
  /** The keys of an owner's sessions that have not expired, from the oldest to the newest. Decrypts no session. */
  keys(owner: Owner): Promise<readonly string[]>;

  /**
   * Removes every session whose record or cookie a removed secret seals, and gives each: it cannot be opened any more. `key`
   * is undefined if no index lists the session. Throws `store_unavailable` if not all sessions could be found.
   */
  removeSealedBy(secrets: RemovedSecrets): AsyncIterable<SealedSession>;

  /**
   * A batch of all sessions in no particular order; the next one follows with `next`. Sessions may repeat, and those that this
   * process cannot open are left out.
   */
  scan(after?: string): Promise<{ sessions: readonly SessionData[]; next: string | undefined }>;

  /** Begins a new generation, which ends every existing session without touching their records. */
  beginGeneration(): Promise<void>;
  /** The current generation as this process knows it; up to date after a load. 0 is the first. */
  generation(): number;

  /** Stores a short text for `ttlMs`. False if the condition was not met; each condition is atomic. */
  putMarker(
    subject: MarkerSubject,
    text: string,
    ttlMs: number,
    condition?: 'if_absent' | 'if_present',
  ): Promise<boolean>;
  /** The text of a marker that has not expired. */
  getMarker(subject: MarkerSubject): Promise<string | undefined>;
  /** Removes a marker and gives its text; of several concurrent calls, one gets it. */
  takeMarker(subject: MarkerSubject): Promise<string | undefined>;

  /** True while {@link SessionStore.onChange} is certain to report every change on any replica. */
  isSubscribed(): boolean;
  /** Calls the listener for each change, and with undefined if changes may have been missed or concern every session. */
  onChange(listener: (change: SessionChange | undefined) => void): void;
  /** Calls the listener whenever a lost connection to the store has been restored. */
  onReconnect(listener: () => void): void;
  /** Throws `store_unavailable` if the store does not respond. */
  ping(): Promise<void>;
  /** True once any operation has succeeded. */
  wasReachable(): boolean;
  /** False from the first failure until the store has worked for a while; known without I/O. */
  isReachable(): boolean;
  close(): Promise<void>;
};
