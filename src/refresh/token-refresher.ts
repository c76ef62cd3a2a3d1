import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Locks } from '../redis/lock.ts';
import type { SessionView } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import { accessTokenOf, credentialOf, type Credential } from './credential.ts';
import type { TokenEndpointCall } from './token-endpoint-call.ts';
import { createSingleFlight, type Run } from '../concurrency/single-flight.ts';
import {
  sessionOrThrow,
  expired,
  unavailable,
  unavailableFor,
  notGranted,
  refreshed,
  type RefreshResult,
} from './refresh-result.ts';
import type { SlidingWindow } from '../concurrency/sliding-window.ts';
import { createRefusalCount } from './refusal-count.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';
import { createRenewal, type Cause, type Renewal } from './renewal.ts';

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type TokenRefresher = {
  /**
   * Gives an access token that may be sent now. One near its end is renewed behind the request; one that is over, or not
   * there yet, is waited for. Throws `session_expired` when it cannot be renewed any more, `provider_unavailable` or
   * `store_unavailable` when it cannot be renewed now.
   */
  fresh(stored: SessionView, audience: Audience): Promise<Credential>;
  /**
   * Gives another access token than the one an upstream refused, or undefined when there is none to be had: the refusal
   * is then the answer. Throws `session_expired`.
   */
  afterRefusal(refused: Credential, route: string): Promise<Credential | undefined>;
  /** Notes that the upstream of `route` refused even a renewed token: that token is not renewed for it again. */
  refusedAgain(refused: Credential, route: string): void;
  /** Settles when no refresh is in flight, and every lock has been given back. */
  settle(): Promise<void>;
};

type RefresherDeps = {
  sessions: Sessions;
  exchange: TokenEndpointCall;
  locks: Locks;
  breaker: CircuitBreaker;
  rate: SlidingWindow;
  refusals: RefreshSuppression;
  ahead: Ahead;
  /** The longest that a refresh waits for the lock of its session: longer than a lock outlives its holder. Milliseconds. */
  lockWaitMs: number;
  /** The longest that a request waits for a refresh once that has the lock, in milliseconds. */
  waitMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/**
 * The refresh protocol of `docs/refresh.md`: one flight a session and audience in the process, one lock a session across
 * all processes, and nothing read before the lock is spent under it.
 */
export function createTokenRefresher(deps: RefresherDeps): TokenRefresher {
  const { sessions, locks, breaker, refusals, ahead, clock, metrics } = deps;
  const renew = createRenewal(deps);
  const countRefusal = createRefusalCount(deps);
  const flights = createSingleFlight<RefreshResult>();
  const errands = new Set<Promise<unknown>>();
  const track = (errand: Promise<unknown>) => {
    const tracked = errand.catch(() => undefined).finally(() => errands.delete(tracked));
    errands.add(tracked);
  };

  /** Joins the flight of a session and audience, or starts it. */
  const fly = (stored: SessionView, audience: Audience, cause: Cause): Run<RefreshResult> => {
    const name = flightName(stored, audience);
    if (flights.isRunning(name)) metrics.refresh('joined');
    return flights.run(name, async (takeOff) => {
      const landing = await lead(stored, audience, cause, takeOff).catch(unavailableFor);
      if (landing.outcome !== undefined) metrics.refresh(landing.outcome);
      return landing;
    });
  };

  const lead = async (
    stored: SessionView,
    audience: Audience,
    cause: Cause,
    takeOff: () => void,
  ): Promise<RefreshResult> => {
    const askedAtMs = clock();
    const lease = await locks.acquire(stored.key, Date.now() + deps.lockWaitMs);
    metrics.lockWait((clock() - askedAtMs) / 1000);
    if (lease === undefined)
      return unavailable('Another process has tried to renew the token, without success so far.', 1_000);
    takeOff();
    let renewal: Renewal | undefined;
    try {
      // Whoever held the lock before us may have renewed it: what was read before the wait is not spent.
      const current = await sessions.loadByKey(stored.key);
      if (current === undefined) return expired('failed');
      const hasAnother = accessTokenOf(current, audience) !== accessTokenOf(stored, audience);
      if (hasAnother && freshnessIn(current, audience) !== 'over') return refreshed(current, 'reused');
      renewal = await renew(current, audience, cause, lease);
      if (renewal.landing !== undefined) return renewal.landing;
    } finally {
      // Nobody may spend the old refresh token while the new one waits to be written.
      track(Promise.resolve(renewal?.saved).then(() => lease.release(renewal?.verdict)));
    }
    return lead(stored, audience, cause, takeOff);
  };

  const wait = async (flight: Run<RefreshResult>): Promise<RefreshResult> =>
    (await flight.waitFor(deps.waitMs)) ?? unavailable('Renewing the token takes too long.', 1_000);

  const freshnessIn = ({ session }: SessionView, audience: Audience): Freshness => {
    const token = session.tokens.access[audience.id];
    return token === undefined ? 'over' : freshnessOf(token, clock(), ahead);
  };

  /** Tells whether renewing ahead has a point: not while it is under way, nor while the token endpoint is left alone. */
  const mayRenewAhead = (stored: SessionView, audience: Audience) =>
    stored.isRenewable &&
    !flights.isRunning(flightName(stored, audience)) &&
    !refusals.isDenied(stored.key, audience) &&
    breaker.pauseMs() === 0;

  return {
    async fresh(stored, audience) {
      switch (freshnessIn(stored, audience)) {
        case 'near':
          if (mayRenewAhead(stored, audience)) void fly(stored, audience, 'age');
          return credentialOf(stored, audience);
        case 'fresh':
          return credentialOf(stored, audience);
        case 'over':
          if (refusals.isDenied(stored.key, audience)) throw notGranted();
          return credentialOf(sessionOrThrow(await wait(fly(stored, audience, 'age'))), audience);
      }
    },

    async afterRefusal(refused, route) {
      const { stored, audience, accessToken } = refused;
      if (!stored.isRenewable || refusals.isHopeless(refused, route)) return undefined;
      if (refusals.isDenied(stored.key, audience)) return undefined;
      const landing = await wait(fly(stored, audience, 'refusal'));
      if (landing.kind === 'kept') return undefined;
      const another = credentialOf(sessionOrThrow(landing), audience);
      return another.accessToken === accessToken ? undefined : another;
    },

    refusedAgain(refused, route) {
      if (refusals.isHopeless(refused, route)) return;
      refusals.remember(refused, route);
      track(countRefusal(refused));
    },

    async settle() {
      await flights.settle();
      await Promise.all(errands);
    },
  };
}

function flightName(stored: SessionView, audience: Audience): string {
  return `${stored.key} ${audience.id}`;
}
