import type { EndReason } from './end-reason.ts';
import { isOver, ownersOf, type Owner, type Session, type SessionRecord } from './session.ts';
import type { MarkerSubject, SessionStore } from './store/store.ts';
import { SIGN_IN_REFUSAL_MS } from '../timing.ts';

/** The sessions of a person, or of one session at the provider. */
export type SessionsBySubject = {
  /** The living sessions of an owner, the oldest first. */
  list(owner: Owner): Promise<readonly SessionRecord[]>;
  /** Ends the living sessions of an owner, or those of them that are meant; gives how many there were. */
  endOf(owner: Owner, reason: EndReason, isMeant?: (session: Session) => boolean): Promise<number>;
  /** The same, and refuses the sign-ins of the owner that are under way. */
  endSignInsOf(owner: Owner, reason: EndReason, isMeant?: (session: Session) => boolean): Promise<number>;
  /**
   * Tells whether the sign-in of a session that has just been created is one of those that were to be refused. A logout
   * either finds the session, or is found here.
   */
  isRefused(session: Session, beganAtMs: number): Promise<boolean>;
  /** Ends the oldest sessions of a person beyond the limit. */
  keepToLimit(session: Session): Promise<void>;
};

export function createSessionsBySubject(deps: {
  store: SessionStore;
  end: (key: string, reason: EndReason) => Promise<unknown>;
  /** How many sessions one person may have at once; 0 is no limit. */
  maxPerUser: number;
  clock: () => number;
}): SessionsBySubject {
  const { store, end, maxPerUser, clock } = deps;

  const list: SessionsBySubject['list'] = async (owner) => {
    const all = await store.ofOwner(owner);
    return all
      .filter((stored) => !isOver(stored, clock(), store.generation()))
      .toSorted((a, b) => a.session.createdAtMs - b.session.createdAtMs || a.key.localeCompare(b.key));
  };

  const endOf: SessionsBySubject['endOf'] = async (owner, reason, isMeant = () => true) => {
    const meant = (await list(owner)).filter(({ session }) => isMeant(session));
    const endings = await Promise.all(meant.map(({ key }) => end(key, reason)));
    return endings.filter((ending) => ending !== undefined).length;
  };

  return {
    list,
    endOf,

    async endSignInsOf(owner, reason, isMeant) {
      // SECURITY: noted before the sessions are looked for, so that none can slip through in between.
      await store.putMarker(endNote(owner), String(clock()), SIGN_IN_REFUSAL_MS);
      return endOf(owner, reason, isMeant);
    },

    async isRefused(session, beganAtMs) {
      const ends = await Promise.all(ownersOf(session).map((owner) => store.getMarker(endNote(owner))));
      return ends.some((endedAtMs) => endedAtMs !== undefined && Number(endedAtMs) >= beganAtMs);
    },

    async keepToLimit({ issuer, subject }) {
      if (maxPerUser === 0) return;
      // Of many sign-ins at once, whichever looks last sees the sessions of all, and none ends one that another would keep.
      const living = await list({ kind: 'subject', issuer, id: subject });
      const surplus = living.slice(0, Math.max(0, living.length - maxPerUser));
      await Promise.all(surplus.map(({ key }) => end(key, 'limit')));
    },
  };
}

function endNote({ kind, issuer, id }: Owner): MarkerSubject {
  return ['end', kind, issuer, id];
}
