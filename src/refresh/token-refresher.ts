import { setTimeout as sleep } from 'node:timers/promises';
import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Run, SingleFlight } from '../concurrency/single-flight.ts';
import type { TaskTracker } from '../concurrency/task-tracker.ts';
import { randomIdentifier } from '../crypto/identifier.ts';
import { GatewayError } from '../errors.ts';
import type { Audit } from '../observability/audit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Lease, Locks } from '../redis/lock/locks.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionRecord, SessionView } from '../sessions/session.ts';
import { widened } from '../sessions/step-up-requirement.ts';
import type { MarkResult } from '../sessions/store/spend-mark.ts';
import { OUTAGE_GRACE_MS } from '../timing.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import { mergeRefreshResponse } from '../tokens/token-set.ts';
import { refreshKey, type Credential } from './credential.ts';
import { createIssuerCheck } from './issuer-check.ts';
import type { RefreshLimit } from './refresh-limit.ts';
import {
  accessTokenOf,
  createFailureSettlement,
  credentialOf,
  expired,
  notGranted,
  refreshed,
  sessionOrThrow,
  throttledBy,
  unavailableFor,
  unusableToken,
  type RefreshResult,
} from './refresh-result.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';
import type { OwnMark, TokenEndpointCall } from './token-endpoint-call.ts';

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type TokenRefresher = {
  /**
   * An access token that may be sent now. An expiring one is refreshed in the background; one that has expired, or that
   * the session does not have yet, is waited for. Throws `session_expired` when it cannot be refreshed any more,
   * `provider_unavailable` or `store_unavailable` when it cannot be refreshed now, and `step_up_required` when the
   * provider does not grant it.
   */
  fresh(session: SessionView, audience: Audience): Promise<Credential>;
  /**
   * Another access token than the one an upstream rejected with a 401, or undefined when there is none: the 401 is then
   * the response. Throws `session_expired`.
   */
  afterRefusal(rejected: Credential, route: string): Promise<Credential | undefined>;
  /** Reports that the upstream of `route` rejected a refreshed token, too: it is not refreshed again for that route. */
  refusedAgain(rejected: Credential, route: string): void;
  /**
   * Runs something while no refresh of a session is under way, in any process. Throws `provider_unavailable` when one takes
   * too long.
   */
  withoutRefresh<Result>(key: string, run: () => Promise<Result>): Promise<Result>;
  /** Settles when no refresh is running and every lock has been released. */
  settle(): Promise<void>;
};

/** Why a token is refreshed: its age, or because an upstream rejected it. */
type RefreshCause = 'age' | 'rejected';

/** The outcome of spending a refresh token under the lock. */
type Spending = {
  /** Undefined when the session must be read again: another process may have been first. */
  readonly result: RefreshResult | undefined;
  /** Settles when the new tokens are in the store, or the spend mark is removed; the lock is held until then. */
  readonly saved?: Promise<unknown>;
  /** The provider was called, and the call failed: processes that wait for the lock share the failure and do not repeat it. */
  readonly lockOutcome?: 'failed';
  /** The owner of another refresh's spend mark, which is over. */
  readonly waitedFor?: string;
};

/** The pause before a record that another writer changed is read again, in milliseconds. */
const CONFLICT_PAUSE_MS = 50;
/** How often to read a record with the mark of another refresh, in milliseconds. */
const MARK_CHECK_MS = 500;

/** Implements the protocol of docs/refresh.md, in its order. */
export function createTokenRefresher(deps: {
  /** The issuer of the provider. */
  issuer: string;
  sessions: Sessions;
  callTokenEndpoint: TokenEndpointCall;
  locks: Locks;
  breaker: CircuitBreaker;
  refreshLimit: RefreshLimit;
  suppression: RefreshSuppression;
  /** The refreshes in progress: after a reload, those of the former configuration are among them. */
  refreshes: SingleFlight<RefreshResult>;
  backgroundTasks: TaskTracker;
  ahead: Ahead;
  /** The longest wait of a refresh for the lock of its session, in milliseconds: longer than a lock outlives its holder. */
  lockWaitMs: number;
  /** How long a spend mark lasts, in milliseconds: longer than a call of the token endpoint. */
  spendMarkMs: number;
  /** The longest wait of a request, in milliseconds; a refresh that waits for a lock or for the provider continues. */
  waitMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
  audit: Audit;
}): TokenRefresher {
  const { sessions, callTokenEndpoint, locks, breaker, refreshLimit, suppression, clock, metrics } = deps;
  const { refreshes, backgroundTasks } = deps;
  const settleFailure = createFailureSettlement(deps);
  const endIfOfOtherIssuer = createIssuerCheck(deps);

  /** Freshness: by this machine's clock. A token that the session does not have yet counts as expired. */
  const freshnessIn = ({ data }: SessionView, audience: Audience): Freshness => {
    const token = data.tokens.access[audience.id];
    return token === undefined
      ? 'expired'
      : freshnessOf(token, clock(), deps.ahead, data.tokens.refreshExpiresAtMs);
  };

  /** False while refreshing ahead is useless: it is running already, or would not reach the token endpoint. */
  const mayRefreshAhead = (session: SessionView, audience: Audience) =>
    session.isRenewable &&
    !refreshes.isRunning(refreshKey(session, audience)) &&
    !suppression.wasNotGranted(session.key, audience) &&
    breaker.pauseMs() === 0;

  /** Single-flight: one refresh of a session and audience in this process; all requests share its result. */
  const refresh = (session: SessionView, audience: Audience, cause: RefreshCause): Run<RefreshResult> => {
    const key = refreshKey(session, audience);
    if (refreshes.isRunning(key)) metrics.refresh('joined');
    return refreshes.run(key, async () => {
      const result = await refreshUnderLock(session, audience, cause).catch(unavailableFor);
      if (result.outcome !== undefined) metrics.refresh(result.outcome);
      return result;
    });
  };

  /** A request that stops waiting does not end the refresh. */
  const waitFor = async (run: Run<RefreshResult>): Promise<RefreshResult> =>
    (await run.waitFor(deps.waitMs)) ??
    throttledBy('wait_timeout', 'The token refresh takes too long. Try again.', 1_000);

  /** Lock: one holder of a session's lock across all processes. The record is read again under the lock before its token is spent. */
  const refreshUnderLock = async (
    session: SessionView,
    audience: Audience,
    cause: RefreshCause,
    waitedFor?: string,
  ): Promise<RefreshResult> => {
    const waitsSinceMs = clock();
    const lease = await locks.acquire(session.key, Date.now() + deps.lockWaitMs);
    metrics.lockWait((clock() - waitsSinceMs) / 1000);
    if (lease === undefined)
      return throttledBy('lock', 'Another process could not refresh the token. Try again.', 1_000);
    let spending: Spending | undefined;
    const owner = randomIdentifier();
    try {
      const record = await sessions.loadByKey(session.key);
      if (record === undefined) return expired('failed');
      const hasNewToken = accessTokenOf(record, audience) !== accessTokenOf(session, audience);
      if (hasNewToken && freshnessIn(record, audience) !== 'expired')
        return refreshed(sessions.viewOf(record), 'reused');
      spending = await spendRefreshToken(record, audience, cause, { lease, owner, waitedFor });
      if (spending.result !== undefined) return spending.result;
    } finally {
      // Release, once the new tokens are in the store: until then nobody may spend the old refresh token.
      const saved = Promise.resolve(spending?.saved);
      const release = () => lease.release(spending?.lockOutcome);
      void backgroundTasks.track(saved.then(release, release));
    }
    return refreshUnderLock(session, audience, cause, spending.waitedFor);
  };

  /** Limits: the reason not to spend a refresh token now. Undefined allows it and counts a repetition. */
  const limitOf = (
    record: SessionRecord,
    audience: Audience,
    cause: RefreshCause,
    rejections: readonly number[],
  ): RefreshResult | undefined => {
    if (cause === 'rejected' && suppression.isExhausted(rejections))
      return throttledBy('suppression', 'The API keeps rejecting refreshed tokens.', 1_000);
    const refusedForMs = suppression.refusedForMs(record.key);
    if (refusedForMs > 0 && audience.id === '')
      return throttledBy('suppression', 'The identity provider refuses to refresh the token.', refusedForMs);
    // The limit bounds loops: the first token of an audience is no repetition, however many audiences there are. And it counts
    // only refreshes that may reach the provider.
    const isCounted = !isFirstToken(record, audience) && breaker.pauseMs() === 0;
    const retryInMs = isCounted ? refreshLimit.take(record, audience) : 0;
    if (retryInMs === 0) return undefined;
    const detail = 'This session has refreshed its token too often. Try again later.';
    return throttledBy('session_limit', detail, retryInMs);
  };

  /**
   * Mark: handles a record that could not be marked. Another refresh may have sent its token: a process that finds its mark waits
   * until the mark has expired, and until the store has taken writes for a while, because the other may have to write then.
   */
  const settleMark = async (found: MarkResult, lease: Lease, mark: OwnMark): Promise<Spending> => {
    if (found.kind === 'gone') return { result: expired('failed') };
    if (found.kind !== 'taken') {
      // The record has changed, or this process has a newer one that it cannot write yet.
      await sleep(CONFLICT_PAUSE_MS);
      return { result: undefined };
    }
    let endsAtMs = Date.now() + found.remainingMs;
    let writableSinceMs = lease.waitingSinceMs;
    while (lease.isHeld()) {
      const waitMs = Math.max(endsAtMs, writableSinceMs + OUTAGE_GRACE_MS) - Date.now();
      if (waitMs <= 0) return { result: undefined, waitedFor: found.owner };
      await sleep(Math.min(waitMs, MARK_CHECK_MS));
      const now = await mark.write().catch(() => undefined);
      if (now === undefined) {
        writableSinceMs = Infinity;
        continue;
      }
      // The other refresh is done.
      if (now.kind !== 'taken' || now.owner !== found.owner)
        return { result: undefined, saved: mark.remove() };
      endsAtMs = Date.now() + now.remainingMs;
      writableSinceMs = Math.min(writableSinceMs, Date.now());
    }
    return { result: undefined };
  };

  /** Limits, mark, call, merge, write: for a session that was read under its lock. */
  const spendRefreshToken = async (
    record: SessionRecord,
    audience: Audience,
    cause: RefreshCause,
    { lease, owner, waitedFor }: { lease: Lease; owner: string; waitedFor: string | undefined },
  ): Promise<Spending> => {
    const { key, version, data } = record;
    if (await endIfOfOtherIssuer(record)) return { result: expired(undefined) };
    const { refreshToken } = data.tokens;
    if (refreshToken === undefined) {
      await sessions.end(record.key, 'expired');
      return { result: expired(undefined) };
    }
    const rejections = suppression.recentRejections(data);
    const limit = limitOf(record, audience, cause, rejections);
    if (limit !== undefined) return { result: limit };

    const markOver = (over?: string) =>
      sessions.markSpend({ key, version, owner, lifetimeMs: deps.spendMarkMs, over });
    const unmark = () => sessions.unmarkSpend(key, owner);
    const outcome = await callTokenEndpoint(
      {
        refreshToken,
        dpopKey: data.dpopKey,
        subject: data.subject,
        flow: data.flow,
        audience: widened(audience, data.steppedUp),
        namesResource: (data.steppedUp?.resources.length ?? 0) > 0,
        maySend: lease.isHeld,
      },
      { write: () => markOver(waitedFor), remove: unmark },
    );
    if (outcome.kind === 'not_marked')
      return settleMark(outcome.mark, lease, { write: () => markOver(), remove: unmark });
    // The lock expired before anything was sent: this process was suspended, or the store was down.
    if (outcome.kind === 'transient' && !lease.isHeld()) return { result: undefined, saved: unmark() };
    if (outcome.kind !== 'refreshed') {
      const result = await settleFailure(record, audience, outcome);
      // The circuit breaker is local to this process: another one may reach the provider.
      const hasFailed =
        outcome.throttle === undefined &&
        result?.kind === 'unavailable' &&
        result.error.code === 'provider_unavailable';
      return { result, saved: unmark(), ...(hasFailed && { lockOutcome: 'failed' }) };
    }

    const isUsable = outcome.tokenResponse.accessToken !== undefined;
    if (isUsable) suppression.providerServed(record.key);
    const tokens = mergeRefreshResponse(data.tokens, audience.id, outcome.tokenResponse, outcome.sentAtMs);
    const written = await sessions.replace(record, {
      ...data,
      tokens,
      claims: outcome.claims ?? data.claims,
      refusedAtMs: rejections,
      renewals: isFirstToken(record, audience)
        ? refreshLimit.renewals(data)
        : refreshLimit.renewalsWith(data, audience, outcome.sentAtMs),
    });
    switch (written.result) {
      case 'replaced':
        if (!isUsable) return { result: unusableToken(), saved: written.saved, lockOutcome: 'failed' };
        return { result: refreshed(sessions.viewOf(written.record), 'refreshed'), saved: written.saved };
      case 'gone':
        // Signed out meanwhile: the session stays ended, and its new tokens are revoked.
        sessions.revoke(tokens.refreshToken);
        return { result: expired('failed') };
      case 'conflict': {
        const current = await sessions.loadByKey(record.key);
        const result =
          current === undefined ? expired('failed') : refreshed(sessions.viewOf(current), 'failed');
        return { result, saved: unmark() };
      }
    }
  };

  return {
    async fresh(session, audience) {
      switch (freshnessIn(session, audience)) {
        case 'fresh':
          return credentialOf(session, audience);
        case 'expiring':
          if (mayRefreshAhead(session, audience)) void refresh(session, audience, 'age');
          return credentialOf(session, audience);
        case 'expired': {
          if (suppression.wasNotGranted(session.key, audience)) throw notGranted(audience);
          const result = await waitFor(refresh(session, audience, 'age'));
          return credentialOf(sessionOrThrow(result), audience);
        }
      }
    },

    async afterRefusal(rejected, route) {
      const { session, audience, accessToken } = rejected;
      if (!session.isRenewable || suppression.wasRejected(rejected, route)) return undefined;
      if (suppression.wasNotGranted(session.key, audience)) return undefined;
      const result = await waitFor(refresh(session, audience, 'rejected'));
      if (result.kind === 'unavailable') {
        // While the provider or the store is away, a bare 401 would read as a sign-out.
        if (isOutage(result.error)) throw result.error;
        return undefined;
      }
      const other = credentialOf(sessionOrThrow(result), audience);
      return other.accessToken === accessToken ? undefined : other;
    },

    refusedAgain(rejected, route) {
      if (suppression.wasRejected(rejected, route)) return;
      void backgroundTasks.track(suppression.rejectedByUpstream(rejected, route));
    },

    async withoutRefresh(key, run) {
      const lease = await locks.acquire(key, Date.now() + deps.waitMs);
      if (lease === undefined) {
        const detail = 'Another process refreshes the token. Try again.';
        throw new GatewayError('provider_unavailable', { detail, retryAfterSeconds: 1, throttle: 'lock' });
      }
      try {
        return await run();
      } finally {
        await lease.release();
      }
    },

    async settle() {
      await refreshes.settle();
      await backgroundTasks.settle();
    },
  };
}

/** Failures that the session did not cause: a 401 would look like a sign-out. */
const outages: ReadonlySet<string> = new Set([
  'provider_unavailable',
  'provider_invalid_response',
  'store_unavailable',
]);

/** Throttles that this session or its API causes: the upstream's own 401 is more helpful than a 503. */
const ownThrottles: ReadonlySet<string | undefined> = new Set(['suppression', 'session_limit']);

function isOutage({ code, options }: GatewayError): boolean {
  return outages.has(code) && !ownThrottles.has(options.throttle);
}

function isFirstToken(session: SessionView, audience: Audience): boolean {
  return accessTokenOf(session, audience) === undefined;
}
