import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Locks } from '../redis/lock.ts';
import type { LiveSession } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import type { Breaker } from '../concurrency/circuit-breaker.ts';
import { accessTokenOf, credentialOf, type Credential } from './credential.ts';
import type { RefreshExchange } from './token-endpoint-call.ts';
import { createFlights, type Flight } from '../concurrency/single-flight.ts';
import { arrive, ended, kept, keptFor, notGranted, renewed, type Landing } from './refresh-result.ts';
import type { Rate } from '../concurrency/sliding-window.ts';
import { createRefusalCount } from './refusal-count.ts';
import type { Refusals } from './refresh-suppression.ts';
import { createRenewal, type Cause, type Renewal } from './renewal.ts';

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type Refresher = {
  /**
   * Gives an access token that may be sent now. One near its end is renewed behind the request; one that is over, or not
   * there yet, is waited for. Throws `session_expired` when it cannot be renewed any more, `provider_unavailable` or
   * `store_unavailable` when it cannot be renewed now.
   */
  fresh(stored: LiveSession, audience: Audience): Promise<Credential>;
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
  exchange: RefreshExchange;
  locks: Locks;
  breaker: Breaker;
  rate: Rate;
  refusals: Refusals;
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
export function createRefresher(deps: RefresherDeps): Refresher {
  const { sessions, locks, breaker, refusals, ahead, clock, metrics } = deps;
  const renew = createRenewal(deps);
  const countRefusal = createRefusalCount(deps);
  const flights = createFlights<Landing>();
  const errands = new Set<Promise<unknown>>();
  const track = (errand: Promise<unknown>) => {
    const tracked = errand.catch(() => undefined).finally(() => errands.delete(tracked));
    errands.add(tracked);
  };

  /** Joins the flight of a session and audience, or starts it. */
  const fly = (stored: LiveSession, audience: Audience, cause: Cause): Flight<Landing> => {
    const name = flightName(stored, audience);
    if (flights.isUnderWay(name)) metrics.refresh('joined');
    return flights.board(name, async (takeOff) => {
      const landing = await lead(stored, audience, cause, takeOff).catch(keptFor);
      if (landing.outcome !== undefined) metrics.refresh(landing.outcome);
      return landing;
    });
  };

  const lead = async (
    stored: LiveSession,
    audience: Audience,
    cause: Cause,
    takeOff: () => void,
  ): Promise<Landing> => {
    const askedAtMs = clock();
    const lease = await locks.acquire(stored.key, Date.now() + deps.lockWaitMs);
    metrics.lockWait((clock() - askedAtMs) / 1000);
    if (lease === undefined)
      return kept('Another process has tried to renew the token, without success so far.', 1_000);
    takeOff();
    let renewal: Renewal | undefined;
    try {
      // Whoever held the lock before us may have renewed it: what was read before the wait is not spent.
      const current = await sessions.reload(stored.key);
      if (current === undefined) return ended('failed');
      const hasAnother = accessTokenOf(current, audience) !== accessTokenOf(stored, audience);
      if (hasAnother && freshnessIn(current, audience) !== 'over') return renewed(current, 'reused');
      renewal = await renew(current, audience, cause, lease);
      if (renewal.landing !== undefined) return renewal.landing;
    } finally {
      // Nobody may spend the old refresh token while the new one waits to be written.
      track(Promise.resolve(renewal?.saved).then(() => lease.release(renewal?.verdict)));
    }
    return lead(stored, audience, cause, takeOff);
  };

  const wait = async (flight: Flight<Landing>): Promise<Landing> =>
    (await flight.landing(deps.waitMs)) ?? kept('Renewing the token takes too long.', 1_000);

  const freshnessIn = ({ session }: LiveSession, audience: Audience): Freshness => {
    const token = session.tokens.access[audience.id];
    return token === undefined ? 'over' : freshnessOf(token, clock(), ahead);
  };

  /** Tells whether renewing ahead has a point: not while it is under way, nor while the token endpoint is left alone. */
  const mayRenewAhead = (stored: LiveSession, audience: Audience) =>
    stored.isRenewable &&
    !flights.isUnderWay(flightName(stored, audience)) &&
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
          return credentialOf(arrive(await wait(fly(stored, audience, 'age'))), audience);
      }
    },

    async afterRefusal(refused, route) {
      const { stored, audience, accessToken } = refused;
      if (!stored.isRenewable || refusals.isHopeless(refused, route)) return undefined;
      if (refusals.isDenied(stored.key, audience)) return undefined;
      const landing = await wait(fly(stored, audience, 'refusal'));
      if (landing.kind === 'kept') return undefined;
      const another = credentialOf(arrive(landing), audience);
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

function flightName(stored: LiveSession, audience: Audience): string {
  return `${stored.key} ${audience.id}`;
}
