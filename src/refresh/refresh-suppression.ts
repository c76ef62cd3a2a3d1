import { unjitteredBackoffMs, type BackoffRange } from '../concurrency/backoff.ts';
import { createBoundedMap } from '../concurrency/bounded-map.ts';
import { createSlidingWindow } from '../concurrency/sliding-window.ts';
import type { Locks } from '../redis/lock/locks.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionData, SessionRecord, SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import { refreshKey, type Credential } from './credential.ts';

/** Prevents refreshes that cannot help: of tokens that an upstream rejects, or that the provider does not grant. */
export type RefreshSuppression = {
  /**
   * Remembers that the upstream of a route rejected a token that had just been refreshed, and counts it in the session's
   * record, which all processes share. Settles when the count is written; rejects when it cannot be.
   */
  rejectedByUpstream(credential: Credential, route: string): Promise<void>;
  /** True for the very token that the upstream of the route has rejected. */
  wasRejected(credential: Credential, route: string): boolean;
  /** When, in the last minute, an upstream rejected a refreshed token of the session, in any process. */
  recentRejections(data: SessionData): readonly number[];
  /** True when that many rejections allow no further refresh for now. */
  isExhausted(recentRejections: readonly number[]): boolean;
  /** Remembers that the provider grants a session no token for an audience. */
  notGranted(key: string, audience: Audience): void;
  /** True for a minute after that, because the user may grant it later. */
  wasNotGranted(key: string, audience: Audience): boolean;
  /**
   * Counts, in the session's record, that the provider rejected its refresh token with an error that names no reason, and pauses
   * the refreshes of this process also when that cannot be written. The session's lock must be held.
   */
  refusedByProvider(record: SessionRecord, audience: Audience): Promise<void>;
  /**
   * True if the provider has now rejected the refresh token several times, a minute apart, in whatever process, while it
   * served others: the token is invalid, whatever the error says.
   */
  isRefusedForGood(data: SessionData): boolean;
  /** How long to wait before the next refresh of a session after such a rejection, in milliseconds; 0 if there was none. */
  refusedForMs(data: SessionData): number;
  /**
   * Pauses the refreshes of one session and audience after a response that is not one of OAuth, longer with each in a row.
   * Returns the pause in milliseconds. It bounds what one session may send, and takes nothing from others.
   */
  pauseAfterUnexpected(session: SessionKey, audience: Audience): number;
  /** Pauses them for `ms`. */
  pause(session: SessionKey, audience: Audience, ms: number): void;
  /** The rest of such a pause, in milliseconds; 0 if there is none. */
  pausedForMs(session: SessionKey, audience: Audience): number;
  /** Records that the provider has served a refresh of a session, whose pauses no longer count. */
  providerServed(session: SessionKey, audience: Audience): void;
};

type SessionKey = Pick<SessionView, 'key'>;

const NOT_GRANTED_MS = 60_000;
/** The pause after a rejected refresh, in milliseconds. */
export const REFUSED_MS = 60_000;
/** The number of such rejections, with refreshes of others between them, after which a session ends. */
const REFUSALS_UNTIL_ENDED = 3;
/** The number of refreshes per minute and session that may be followed by another 401. */
const REJECTIONS_PER_MINUTE = 3;
/** The pauses of one session and audience after responses that are not of OAuth. */
const UNEXPECTED_PAUSES: BackoffRange = { firstMs: 5_000, longestMs: 60_000 };
/** How many rejections of upstreams, and pauses, a process remembers. */
const MAX_ENTRIES = 10_000;
/** The maximum size of the rejected tokens that a process remembers, in bytes. */
const MAX_TOKEN_BYTES = 16 * 1024 * 1024;

export function createRefreshSuppression(deps: {
  sessions: Sessions;
  locks: Locks;
  /** The longest wait for the lock, in milliseconds. */
  lockWaitMs: number;
  clock: () => number;
}): RefreshSuppression {
  const { sessions, locks, lockWaitMs, clock } = deps;
  const rejectedTokens = createBoundedMap<string, string>({
    maxEntries: MAX_ENTRIES,
    maxSize: MAX_TOKEN_BYTES,
    sizeOf: (token) => token.length,
  });
  const notGrantedAtMs = createBoundedMap<string, number>({
    maxEntries: MAX_ENTRIES,
    isExpired: (atMs) => atMs <= clock() - NOT_GRANTED_MS,
  });
  const pauses = createBoundedMap<string, { count: number; untilMs: number }>({ maxEntries: MAX_ENTRIES });
  let servedAtMs = -Infinity;
  const rejections = createSlidingWindow({ perMinute: REJECTIONS_PER_MINUTE, clock });

  const routeKey = ({ session }: Credential, route: string) => `${session.key} ${route}`;
  const audienceKey = (key: string, audience: Audience) => `${key} ${audience.id}`;
  const recentRejections = ({ upstreamRefusalsAtMs }: SessionData) => rejections.recent(upstreamRefusalsAtMs);

  /** Counts each token once, whichever request reports it first. Under the lock, as every write of a record. */
  const countInRecord = async ({ session, audience }: Credential) => {
    const lease = await locks.acquire(session.key, Date.now() + lockWaitMs);
    if (lease === undefined) return;
    try {
      const record = await sessions.loadByKey(session.key);
      if (record === undefined) return;
      const upstreamRefusalsAtMs = recentRejections(record.data);
      const { obtainedAtMs = 0 } = session.data.tokens.access[audience.id] ?? {};
      if ((upstreamRefusalsAtMs.at(-1) ?? 0) >= obtainedAtMs) return;
      await sessions.update(record, {
        ...record.data,
        upstreamRefusalsAtMs: [...upstreamRefusalsAtMs, clock()],
      });
    } finally {
      await lease.release();
    }
  };

  const pause = (session: SessionKey, audience: Audience, ms: number) => {
    const key = refreshKey(session, audience);
    pauses.set(key, { count: pauses.get(key)?.count ?? 0, untilMs: clock() + ms });
  };

  return {
    async rejectedByUpstream(credential, route) {
      rejectedTokens.set(routeKey(credential, route), credential.accessToken);
      await countInRecord(credential);
    },
    wasRejected: (credential, route) =>
      rejectedTokens.get(routeKey(credential, route)) === credential.accessToken,
    recentRejections,
    isExhausted: (recent) => recent.length >= REJECTIONS_PER_MINUTE,
    async refusedByProvider(record, audience) {
      pause(record, audience, REFUSED_MS);
      const lastAtMs = clock();
      const { count, firstAtMs } = record.data.providerRefusals ?? { count: 0, firstAtMs: lastAtMs };
      await sessions.update(record, {
        ...record.data,
        providerRefusals: { count: count + 1, firstAtMs, lastAtMs },
      });
    },
    isRefusedForGood: ({ providerRefusals: refusals }) =>
      refusals !== undefined && refusals.count + 1 >= REFUSALS_UNTIL_ENDED && servedAtMs > refusals.firstAtMs,
    refusedForMs: ({ providerRefusals: refusals }) =>
      // The clock of the process that counted it may be ahead.
      refusals === undefined
        ? 0
        : Math.min(REFUSED_MS, Math.max(0, refusals.lastAtMs + REFUSED_MS - clock())),
    pauseAfterUnexpected(session, audience) {
      const key = refreshKey(session, audience);
      const count = (pauses.get(key)?.count ?? 0) + 1;
      const pauseMs = unjitteredBackoffMs(count, UNEXPECTED_PAUSES);
      pauses.set(key, { count, untilMs: clock() + pauseMs });
      return pauseMs;
    },
    pause,
    pausedForMs: (session, audience) =>
      Math.max(0, (pauses.get(refreshKey(session, audience))?.untilMs ?? -Infinity) - clock()),
    providerServed(session, audience) {
      servedAtMs = clock();
      pauses.delete(refreshKey(session, audience));
    },
    notGranted: (key, audience) => notGrantedAtMs.set(audienceKey(key, audience), clock()),
    wasNotGranted: (key, audience) => notGrantedAtMs.has(audienceKey(key, audience)),
  };
}
