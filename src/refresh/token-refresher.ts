import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Run, SingleFlight } from '../concurrency/single-flight.ts';
import type { TaskTracker } from '../concurrency/task-tracker.ts';
import { GatewayError } from '../errors.ts';
import type { Audit } from '../observability/audit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Locks } from '../redis/lock/locks.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import { credentialOf, refreshKey, type Credential } from './credential.ts';
import type { RefreshLimit } from './refresh-limit.ts';
import {
  notGranted,
  sessionOrThrow,
  throttledBy,
  unavailableFor,
  type RefreshResult,
} from './refresh-result.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';
import { createRefreshUnderLock, type RefreshCause } from './refresh-under-lock.ts';
import { createSpendRefreshToken } from './spend-refresh-token.ts';
import type { TokenEndpointCall } from './token-endpoint-call.ts';

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type TokenRefresher = {
  /** The access token that `fresh` gives, where nothing has to be waited for; undefined where `fresh` waits, or throws. */
  usable(session: SessionView, audience: Audience): Credential | undefined;
  /**
   * An access token that may be sent now. An expiring one is refreshed in the background; one that has expired, or that
   * the session does not have yet, is waited for. Throws `session_expired` when it cannot be refreshed any more,
   * `provider_unavailable` or `store_unavailable` when it cannot be refreshed now, and `step_up_required` when the
   * provider does not grant it.
   */
  fresh(session: SessionView, audience: Audience): Promise<Credential>;
  /**
   * Another access token than the one an upstream rejected with a 401, or undefined when there is none: the 401 is then
   * the response. Throws `session_expired`, and `step_up_required` when the user has to sign in again for one.
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

/**
 * Implements the protocol of docs/refresh.md, in its order: freshness, single-flight and the waits here, then
 * `refresh-under-lock`, `spend-refresh-token` and `token-endpoint-call`.
 */
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
  const { locks, breaker, suppression, clock, metrics, refreshes, backgroundTasks } = deps;

  /** Freshness: by this machine's clock. A token that the session does not have yet counts as expired. */
  const freshnessIn = ({ data }: SessionView, audience: Audience): Freshness => {
    const token = data.tokens.access[audience.id];
    return token === undefined
      ? 'expired'
      : freshnessOf(token, clock(), deps.ahead, data.tokens.refreshExpiresAtMs);
  };

  const spendRefreshToken = createSpendRefreshToken(deps);
  const refreshUnderLock = createRefreshUnderLock({ ...deps, spendRefreshToken, freshnessIn });

  /** False while refreshing ahead is useless: it is running already, or would not reach the token endpoint. */
  const mayRefreshAhead = (session: SessionView, audience: Audience) =>
    session.isRenewable &&
    !refreshes.isRunning(refreshKey(session, audience)) &&
    !suppression.wasNotGranted(session.key, audience) &&
    suppression.pausedForMs(session, audience) === 0 &&
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

  const usable: TokenRefresher['usable'] = (session, audience) => {
    const freshness = freshnessIn(session, audience);
    if (freshness === 'expired') return undefined;
    if (freshness === 'expiring' && mayRefreshAhead(session, audience))
      void refresh(session, audience, 'age');
    return credentialOf(session, audience);
  };

  return {
    usable,

    async fresh(session, audience) {
      const own = usable(session, audience);
      if (own !== undefined) return own;
      if (suppression.wasNotGranted(session.key, audience)) throw notGranted(audience);
      const result = await waitFor(refresh(session, audience, 'age'));
      return credentialOf(sessionOrThrow(result), audience);
    },

    async afterRefusal(rejected, route) {
      const { session, audience, accessToken } = rejected;
      if (!session.isRenewable || suppression.wasRejected(rejected, route)) return undefined;
      if (suppression.wasNotGranted(session.key, audience)) throw notGranted(audience);
      const result = await waitFor(refresh(session, audience, 'rejected'));
      if (result.kind === 'unavailable') {
        // A bare 401 would read as a sign-out, and has no `loginUrl`.
        if (isOutage(result.error) || result.error.code === 'step_up_required') throw result.error;
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
