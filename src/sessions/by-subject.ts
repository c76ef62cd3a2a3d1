import type { EndReason } from './end-reason.ts';
import { isOver, ownersOf, type Owner, type SessionData, type SessionRecord } from './session.ts';
import type { Position } from './store/position.ts';
import type { MarkerSubject, SessionPage, SessionStore } from './store/store.ts';
import { SIGN_IN_REFUSAL_MS } from '../timing.ts';

/** Lists and ends the sessions of an owner: a user, or a session at the provider. */
export type SessionsBySubject = {
  /**
   * The live sessions of an owner after a position, at most `limit`, from the oldest to the newest. There may be fewer,
   * because the number of records that one call reads is bounded.
   */
  list(owner: Owner, limit: number, after?: Position): Promise<SessionPage>;
  /** The live session of an owner with this key. */
  find(owner: Owner, key: string): Promise<SessionRecord | undefined>;
  /** Ends the live sessions of an owner that match the filter; gives their number. */
  endOf(owner: Owner, reason: EndReason, matches?: Matches): Promise<number>;
  /** Does the same for a logout, and makes pending sign-ins that it concerns fail. */
  endSignInsOf(scope: LogoutScope, reason: EndReason, matches?: Matches): Promise<number>;
  /**
   * True if a logout has ended the owner's pending sign-ins since this sign-in began. Called after the session is created:
   * a concurrent logout either finds the session in the index, or this finds the marker of the logout.
   */
  isSignInRefused(data: SessionData, beganAtMs: number): Promise<boolean>;
  /** True if the user has more sessions than the limit, or the index still lists some that have ended. */
  exceedsLimit(data: SessionData): Promise<boolean>;
  /** Ends the user's oldest sessions above the limit. */
  enforceLimit(data: SessionData): Promise<void>;
};

/** The sign-ins that a logout concerns: those of an owner, or those of a user for which the provider sent no `sid`. */
export type LogoutScope =
  Owner | { readonly kind: 'without_sid'; readonly issuer: string; readonly id: string };

type Matches = (record: SessionRecord) => boolean;

/** How many sessions one read returns to end them. */
const READ_AT_ONCE = 50;

/**
 * How many sessions are ended at once: other requests wait for so many to be decrypted, deleted and revoked in one iteration of the
 * event loop.
 */
const ENDED_AT_ONCE = 20;

/** How many pages one call of `list` reads at most, to fill its own page in spite of sessions that have ended. */
const PAGES_PER_LIST = 5;

export function createSessionsBySubject(deps: {
  store: SessionStore;
  end: (key: string, reason: EndReason) => Promise<unknown>;
  /** The maximum number of sessions per user; 0 means no limit. */
  maxPerUser: number;
  clock: () => number;
}): SessionsBySubject {
  const { store, end, maxPerUser, clock } = deps;

  const isLive: Matches = (record) => !isOver(record, clock(), store.generation());

  const list: SessionsBySubject['list'] = async (owner, limit, after) => {
    const live: SessionRecord[] = [];
    let next = after;
    let pages = 0;
    do {
      const page = await store.page(owner, limit - live.length, next);
      live.push(...page.records.filter(isLive));
      next = page.next;
      pages += 1;
    } while (next !== undefined && live.length < limit && pages < PAGES_PER_LIST);
    return { records: live.toSorted((a, b) => a.data.createdAtMs - b.data.createdAtMs), next };
  };

  /** Returns how many of these sessions existed. */
  const endEach = async (keys: readonly string[], reason: EndReason): Promise<number> => {
    let ended = 0;
    for (let at = 0; at < keys.length; at += ENDED_AT_ONCE) {
      const endings = await Promise.all(keys.slice(at, at + ENDED_AT_ONCE).map((key) => end(key, reason)));
      ended += endings.filter((ending) => ending !== undefined).length;
    }
    return ended;
  };

  const endOf: SessionsBySubject['endOf'] = async (owner, reason, matches = () => true) => {
    let ended = 0;
    let next: Position | undefined;
    do {
      const page = await store.page(owner, READ_AT_ONCE, next);
      const matching = page.records.filter((record) => isLive(record) && matches(record));
      ended += await endEach(
        matching.map(({ key }) => key),
        reason,
      );
      next = page.next;
    } while (next !== undefined);
    return ended;
  };

  const exceedsLimit: SessionsBySubject['exceedsLimit'] = async (data) =>
    maxPerUser > 0 && (await store.count(userOf(data))) > maxPerUser;

  return {
    list,
    endOf,

    async find(owner, key) {
      const record = await store.loadRecord(key);
      const isTheirs = record !== undefined && ownersOf(record.data).some((each) => isSameOwner(each, owner));
      return isTheirs && isLive(record) ? record : undefined;
    },

    async endSignInsOf(scope, reason, matches = () => true) {
      // SECURITY: the marker is written before the lookup, so that no session can start unseen in between.
      await store.putMarker(logoutMarker(scope), String(clock()), SIGN_IN_REFUSAL_MS);
      if (scope.kind !== 'without_sid') return endOf(scope, reason, matches);
      const isWithoutSid: Matches = ({ data }) => data.providerSessionId === undefined;
      return endOf(
        { ...scope, kind: 'subject' },
        reason,
        (record) => isWithoutSid(record) && matches(record),
      );
    },

    async isSignInRefused(data, beganAtMs) {
      const markers = await Promise.all(scopesOf(data).map((scope) => store.getMarker(logoutMarker(scope))));
      return markers.some((endedAtMs) => endedAtMs !== undefined && Number(endedAtMs) >= beganAtMs);
    },

    exceedsLimit,

    async enforceLimit(data) {
      // Replaced sessions have ended since the first count, and reading every key costs more than counting again.
      if (!(await exceedsLimit(data))) return;
      // Of concurrent sign-ins, the last one lists every session; all use the same order, so they agree on which to keep.
      const keys = await store.keys(userOf(data));
      await endEach(keys.slice(0, Math.max(0, keys.length - maxPerUser)), 'limit');
    },
  };
}

function userOf({ issuer, subject }: SessionData): Owner {
  return { kind: 'subject', issuer, id: subject };
}

function isSameOwner(a: Owner, b: Owner): boolean {
  return a.kind === b.kind && a.issuer === b.issuer && a.id === b.id;
}

/** The logouts that would concern a session. */
function scopesOf(data: SessionData): LogoutScope[] {
  const { issuer, subject, providerSessionId } = data;
  return providerSessionId === undefined
    ? [...ownersOf(data), { kind: 'without_sid', issuer, id: subject }]
    : ownersOf(data);
}

function logoutMarker({ kind, issuer, id }: LogoutScope): MarkerSubject {
  return ['end', kind, issuer, id];
}
