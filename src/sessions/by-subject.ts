import type { EndReason } from './end-reason.ts';
import { isOver, ownersOf, type Owner, type SessionData, type SessionRecord } from './session.ts';
import type { MarkerSubject, SessionStore } from './store/store.ts';
import { SIGN_IN_REFUSAL_MS } from '../timing.ts';

/** Lists and ends the sessions of an owner: a person, or a session at the provider. */
export type SessionsBySubject = {
  /** The live sessions of an owner, oldest first. */
  list(owner: Owner): Promise<readonly SessionRecord[]>;
  /** Ends the live sessions of an owner that match the filter; gives their number. */
  endOf(owner: Owner, reason: EndReason, matches?: (data: SessionData) => boolean): Promise<number>;
  /** Does the same, and makes pending sign-ins of the owner fail. */
  endSignInsOf(owner: Owner, reason: EndReason, matches?: (data: SessionData) => boolean): Promise<number>;
  /**
   * True if a logout has ended the owner's pending sign-ins since this sign-in began. Called after the session is created:
   * a concurrent logout either finds the session in the index, or this finds the marker of the logout.
   */
  isSignInRefused(data: SessionData, beganAtMs: number): Promise<boolean>;
  /** Ends the person's oldest sessions above the limit. */
  enforceLimit(data: SessionData): Promise<void>;
};

export function createSessionsBySubject(deps: {
  store: SessionStore;
  end: (key: string, reason: EndReason) => Promise<unknown>;
  /** The maximum number of sessions per person; 0 means no limit. */
  maxPerUser: number;
  clock: () => number;
}): SessionsBySubject {
  const { store, end, maxPerUser, clock } = deps;

  const list: SessionsBySubject['list'] = async (owner) => {
    const all = await store.ofOwner(owner);
    return all
      .filter((record) => !isOver(record, clock(), store.generation()))
      .toSorted((a, b) => a.data.createdAtMs - b.data.createdAtMs || a.key.localeCompare(b.key));
  };

  const endOf: SessionsBySubject['endOf'] = async (owner, reason, matches = () => true) => {
    const matching = (await list(owner)).filter(({ data }) => matches(data));
    const endings = await Promise.all(matching.map(({ key }) => end(key, reason)));
    return endings.filter((ending) => ending !== undefined).length;
  };

  return {
    list,
    endOf,

    async endSignInsOf(owner, reason, matches) {
      // SECURITY: the marker is written before the lookup, so that no session can start unseen in between.
      await store.putMarker(logoutMarker(owner), String(clock()), SIGN_IN_REFUSAL_MS);
      return endOf(owner, reason, matches);
    },

    async isSignInRefused(data, beganAtMs) {
      const markers = await Promise.all(ownersOf(data).map((owner) => store.getMarker(logoutMarker(owner))));
      return markers.some((endedAtMs) => endedAtMs !== undefined && Number(endedAtMs) >= beganAtMs);
    },

    async enforceLimit({ issuer, subject }) {
      if (maxPerUser === 0) return;
      // Of concurrent sign-ins, the last one lists every session; all use the same order, so they agree on which to keep.
      const live = await list({ kind: 'subject', issuer, id: subject });
      const surplus = live.slice(0, Math.max(0, live.length - maxPerUser));
      await Promise.all(surplus.map(({ key }) => end(key, 'limit')));
    },
  };
}

function logoutMarker({ kind, issuer, id }: Owner): MarkerSubject {
  return ['end', kind, issuer, id];
}
