import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { TaskTracker } from '../concurrency/task-tracker.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Lease, Locks } from '../redis/lock/locks.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionRecord, SessionView } from '../sessions/session.ts';
import { hasAskedFor } from '../sessions/step-up-requirement.ts';
import type { Audience } from '../tokens/audience.ts';
import type { Freshness } from '../tokens/freshness.ts';
import { accessTokenOf } from './credential.ts';
import { createIssuerCheck } from './issuer-check.ts';
import type { RefreshLimit } from './refresh-limit.ts';
import {
  expired,
  notGranted,
  refreshed,
  throttledBy,
  unavailableFor,
  withoutRefreshToken,
  type RefreshResult,
} from './refresh-result.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';
import type { SpendRefreshToken, Spending } from './spend-refresh-token.ts';

/** Why a token is refreshed: its age, or because an upstream rejected it. */
export type RefreshCause = 'age' | 'rejected';

/** Lock, read again, limits, spend, release. */
export type RefreshUnderLock = (
  session: SessionView,
  audience: Audience,
  cause: RefreshCause,
) => Promise<RefreshResult>;

/** A refresh in the one process that holds the session's lock. */
export function createRefreshUnderLock(deps: {
  /** The issuer of the provider. */
  issuer: string;
  sessions: Sessions;
  locks: Locks;
  spendRefreshToken: SpendRefreshToken;
  freshnessIn: (session: SessionView, audience: Audience) => Freshness;
  breaker: CircuitBreaker;
  refreshLimit: RefreshLimit;
  suppression: RefreshSuppression;
  backgroundTasks: TaskTracker;
  /** The longest wait of a refresh for the lock of its session, in milliseconds: longer than a lock outlives its holder. */
  lockWaitMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): RefreshUnderLock {
  const { sessions, locks, breaker, refreshLimit, suppression, clock } = deps;
  const endIfOfOtherIssuer = createIssuerCheck(deps);

  /** Limits: the reason not to spend a refresh token now. Undefined allows it and counts a repetition. */
  const limitOf = (
    record: SessionRecord,
    audience: Audience,
    cause: RefreshCause,
  ): RefreshResult | undefined => {
    if (cause === 'rejected' && suppression.isExhausted(suppression.recentRejections(record.data)))
      return throttledBy('suppression', 'The API keeps rejecting refreshed tokens.', 1_000);
    const refusedForMs = suppression.refusedForMs(record.data);
    if (refusedForMs > 0 && audience.id === '')
      return throttledBy('suppression', 'The identity provider refuses to refresh the token.', refusedForMs);
    const pausedForMs = suppression.pausedForMs(record, audience);
    if (pausedForMs > 0)
      return throttledBy('session_pause', 'The identity provider cannot refresh the token now.', pausedForMs);
    // The limit bounds loops: the first token of an audience is no repetition, however many audiences there are. And it counts
    // only refreshes that may reach the provider.
    const isCounted = accessTokenOf(record, audience) !== undefined && breaker.pauseMs() === 0;
    const retryInMs = isCounted ? refreshLimit.take(record, audience) : 0;
    if (retryInMs === 0) return undefined;
    const detail = 'This session has refreshed its token too often. Try again later.';
    return throttledBy('session_limit', detail, retryInMs);
  };

  /** For a session that was read under its lock. */
  const refreshHeld = async (
    record: SessionRecord,
    audience: Audience,
    cause: RefreshCause,
    held: { lease: Lease; waitedFor: string | undefined },
  ): Promise<Spending> => {
    if (await endIfOfOtherIssuer(record)) return { result: expired(undefined) };
    const { refreshToken } = record.data.tokens;
    if (refreshToken === undefined && audience.id !== '') {
      // Another step-up would bring none either, and the browser would go to the provider and back for ever.
      if (hasAskedFor(audience, record.data.steppedUp)) return { result: withoutRefreshToken() };
      // The token of the sign-in may be valid still.
      suppression.notGranted(record.key, audience);
      return { result: unavailableFor(notGranted(audience)) };
    }
    if (refreshToken === undefined) {
      await sessions.end(record.key, 'expired');
      return { result: expired(undefined) };
    }
    const limit = limitOf(record, audience, cause);
    if (limit !== undefined) return { result: limit };
    return deps.spendRefreshToken({ record, refreshToken, audience, ...held });
  };

  /** Lock: one holder of a session's lock across all processes. The record is read again under the lock before its token is spent. */
  const refreshUnderLock = async (
    session: SessionView,
    audience: Audience,
    cause: RefreshCause,
    waitedFor?: string,
  ): Promise<RefreshResult> => {
    const waitsSinceMs = clock();
    const lease = await locks.acquire(session.key, Date.now() + deps.lockWaitMs);
    deps.metrics.lockWait((clock() - waitsSinceMs) / 1000);
    if (lease === undefined)
      return throttledBy('lock', 'Another process could not refresh the token. Try again.', 1_000);
    let spending: Spending | undefined;
    try {
      const record = await sessions.loadByKey(session.key);
      if (record === undefined) return expired('failed');
      const hasNewToken = accessTokenOf(record, audience) !== accessTokenOf(session, audience);
      if (hasNewToken && deps.freshnessIn(record, audience) !== 'expired')
        return refreshed(sessions.viewOf(record), 'reused');
      spending = await refreshHeld(record, audience, cause, { lease, waitedFor });
      if (spending.result !== undefined) return spending.result;
    } finally {
      // Release, once the new tokens are in the store: until then nobody may spend the old refresh token.
      const saved = Promise.resolve(spending?.saved);
      const release = () => lease.release(spending?.lockOutcome);
      void deps.backgroundTasks.track(saved.then(release, release));
    }
    return refreshUnderLock(session, audience, cause, spending.waitedFor);
  };

  return (session, audience, cause) => refreshUnderLock(session, audience, cause);
}
