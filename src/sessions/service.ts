import type { TaskTracker } from '../concurrency/task-tracker.ts';
import type { Audit } from '../observability/audit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ClaimSelection } from './store/claim-selection.ts';
import { createSessionsBySubject, type SessionsBySubject } from './by-subject.ts';
import { createSessionEnding, type SessionEnding } from './lifecycle/ending.ts';
import { createSessionLookup, type SessionLookup } from './lifecycle/lookup.ts';
import { createReplacedSessions } from './lifecycle/replaced-sessions.ts';
import { createSessionStart, type SessionStart } from './lifecycle/start.ts';
import { createUnannouncedEnds } from './lifecycle/unannounced-ends.ts';
import type { ReadCache } from './read-cache.ts';
import type { Revocations } from './revocation/revocation.ts';
import {
  isOutdated,
  sessionView,
  sessionRecord,
  type SessionData,
  type SessionRecord,
  type SessionView,
} from './session.ts';
import type { PeerKeys } from './store/redis/peer-keys.ts';
import type { MarkResult, Sending, SpendMark } from './store/spend-mark.ts';
import type { ReplaceResult, SessionStore } from './store/store.ts';
import type { Tickets } from './ticket.ts';
import type { PendingWrites } from './pending-writes.ts';

/** Finds, starts, changes and ends sessions. The only module that writes to the store. */
export type Sessions = SessionLookup &
  Pick<SessionEnding, 'end' | 'endSealedBy'> &
  Pick<SessionsBySubject, 'list' | 'find' | 'endOf' | 'endSignInsOf'> & {
    /**
     * Loads the full record of a session for a refresh, past the cache; undefined if its generation has ended. Throws
     * `store_unavailable` if the store has lost the newest tokens and another process may have them.
     */
    loadByKey(key: string): Promise<SessionRecord | undefined>;
    /** The part of a record that requests need. */
    viewOf(record: SessionRecord): SessionView;
    /** Marks a record, before its refresh token is spent. Throws `store_unavailable` if the mark cannot be written. */
    markSpend(mark: SpendMark): Promise<MarkResult>;
    /** Removes a mark, unless a write has removed it. Never throws: a mark that stays ends by itself. */
    unmarkSpend(key: string, owner: string, sending: Sending): Promise<void>;
    start: SessionStart;
    /**
     * Writes new tokens, unless another writer has changed or ended the session since `old` was loaded. Revokes the refresh
     * token of an ended session.
     */
    replace(old: SessionRecord, data: SessionData): Promise<Replacement>;
    /** Writes other new data, unless the record has changed or ended, or bears a spend mark. Throws if it cannot be written. */
    update(old: SessionRecord, data: SessionData): Promise<void>;
    /** Revokes a refresh token that belongs to no session. */
    revoke(refreshToken: string | undefined): void;
    /** Settles when no write and no revocation is pending. */
    settle(): Promise<void>;
    /** Ends every session in constant time. */
    endAll(): Promise<void>;
    /** The Set-Cookie value that deletes the session cookie. */
    clearCookie(): string;
    /** The Set-Cookie values that delete the cookie of a session that has ended; none if a sign-in has just replaced it. */
    clearEndedCookie(cookieHeader: string | undefined): Promise<string[]>;
  };

/**
 * The result of a write. While the store is unavailable, the new record stays in memory and counts as `replaced`; `saved`
 * settles once it is written or no longer needed.
 */
export type Replacement = { result: ReplaceResult; record: SessionRecord; saved: Promise<unknown> };

type SessionsDeps = {
  /** The issuer of new tokens. */
  issuer: string;
  store: SessionStore;
  cache: ReadCache;
  tickets: Tickets;
  revocations: Revocations;
  pendingWrites: PendingWrites;
  peerKeys: Pick<PeerKeys, 'has'>;
  backgroundTasks: TaskTracker;
  claimSelection?: Pick<ClaimSelection, 'names'>;
  idleTimeout: number;
  absoluteTimeout: number;
  /** The maximum number of sessions per user; 0 means no limit. */
  maxPerUser: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
  audit: Audit;
};

export function createSessions(deps: SessionsDeps): Sessions {
  const { store, cache, tickets, revocations, pendingWrites, clock, log, metrics } = deps;
  const ending = createSessionEnding(deps);
  const unannouncedEnds = createUnannouncedEnds({ ...deps, ending });
  const lookup = createSessionLookup({ ...deps, unannouncedEnds });
  const replacedSessions = createReplacedSessions(deps);

  const viewOf = (record: SessionRecord) => sessionView(record, deps.claimSelection?.names());

  const revoke = (refreshToken: string | undefined) => {
    if (refreshToken !== undefined) void revocations.revoke({ refreshToken, issuer: deps.issuer });
  };

  const logDroppedTokens = (key: string) => {
    metrics.refreshConflict('changed');
    log.error({ session: key }, 'another write of the session came first; dropped new tokens');
  };

  const revokeUnneeded = (key: string, refreshToken: string | undefined) => {
    metrics.refreshConflict('ended');
    log.info({ session: key }, 'the session has ended during its refresh; revoking the new refresh token');
    revoke(refreshToken);
  };

  const bySubject = createSessionsBySubject({ store, end: ending.end, maxPerUser: deps.maxPerUser, clock });

  return {
    ...lookup,
    end: ending.end,
    endSealedBy: ending.endSealedBy,

    async loadByKey(key) {
      const lastSeen = cache.lastSeen(key);
      const record = pendingWrites.get(key) ?? (await store.loadForRefresh(key));
      if (record === undefined) unannouncedEnds.reportMissing(key, lastSeen);
      if (record === undefined || !isOutdated(record.data, store.generation())) return record;
      await unannouncedEnds.end(record);
      return undefined;
    },

    start: createSessionStart({ ...deps, ending, bySubject, replacedSessions }),

    async replace(old, data) {
      const record = sessionRecord({ ...old, data, version: old.version + 1 });
      if (isOutdated(data, store.generation())) {
        revokeUnneeded(old.key, data.tokens.refreshToken);
        return { result: 'gone', record, saved: Promise.resolve() };
      }
      try {
        const result = await store.replace(old.key, data, old.version);
        if (result === 'replaced') cache.put(viewOf(record));
        else cache.drop(old.key);
        if (result === 'conflict') logDroppedTokens(old.key);
        if (result === 'gone') revokeUnneeded(old.key, data.tokens.refreshToken);
        return { result, record, saved: Promise.resolve() };
      } catch {
        const saved = pendingWrites.add(record, old.version).then((result) => {
          cache.drop(old.key);
          if (result === 'gone') revokeUnneeded(old.key, data.tokens.refreshToken);
          if (result === 'conflict') logDroppedTokens(old.key);
        });
        return { result: 'replaced', record, saved: deps.backgroundTasks.track(saved) };
      }
    },

    async update(old, data) {
      await store.replace(old.key, data, old.version, 'unless_marked');
      cache.drop(old.key);
    },

    viewOf,
    markSpend: store.markSpend,
    unmarkSpend: (...args) => store.unmarkSpend(...args).catch(() => undefined),

    revoke,
    async settle() {
      await deps.backgroundTasks.settle();
      await revocations.settle();
    },

    list: bySubject.list,
    find: bySubject.find,
    endOf: bySubject.endOf,
    endSignInsOf: bySubject.endSignInsOf,
    endAll: store.beginGeneration,
    clearCookie: tickets.clear,
    clearEndedCookie: replacedSessions.clearCookie,
  };
}
