import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { RefreshOutcome } from '../provider/provider.ts';
import type { Lease, Locks } from '../redis/lock.ts';
import type { StoredSession } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import { mergeRefreshAnswer } from '../tokens/token-set.ts';
import type { Breaker } from './breaker.ts';
import { isAboutAudience, type RefreshExchange } from './exchange.ts';
import { createFlights, type Flight } from './flights.ts';
import type { Rate } from './rate.ts';
import type { Refusals } from './refusals.ts';

/** A session's access token for an audience, to be sent with one request. */
export type Credential = {
  readonly stored: StoredSession;
  readonly audience: Audience;
  readonly accessToken: string;
};

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type Refresher = {
  /**
   * Gives an access token that may be sent now. One near its end is renewed behind the request; one that is over, or not
   * there yet, is waited for. Throws `session_expired` when it cannot be renewed any more, `provider_unavailable` or
   * `store_unavailable` when it cannot be renewed now.
   */
  fresh(stored: StoredSession, audience: Audience): Promise<Credential>;
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

/** How a flight ended, for everybody who waited on it. */
type Landing =
  { kind: 'renewed'; stored: StoredSession } | { kind: 'ended' } | { kind: 'kept'; error: GatewayError };

/**
 * What came of a session under its lock, which is given back when the new tokens are `saved`. Without a landing it has to
 * be looked at again: another process may have been first. With the outcome `failed` nobody who waits tries it again.
 */
type Flown = {
  landing: Landing | undefined;
  saved?: Promise<unknown>;
  outcome?: 'failed' | undefined;
};

/** Why a token is renewed: it is over or nearly so, or an upstream refused it before its time. */
type Cause = 'age' | 'refusal';

/**
 * The refresh protocol of `docs/refresh.md`: one flight a session and audience in the process, one lock a session across
 * all processes, and nothing read before the lock is spent under it.
 */
export function createRefresher(deps: RefresherDeps): Refresher {
  const { sessions, exchange, locks, breaker, rate, refusals, ahead, clock, log, metrics } = deps;
  const flights = createFlights<Landing>();
  const errands = new Set<Promise<unknown>>();
  const track = (errand: Promise<unknown>) => {
    const tracked = errand.catch(() => undefined).finally(() => errands.delete(tracked));
    errands.add(tracked);
  };

  /** Joins the flight of a session and audience, or starts it. */
  const fly = (stored: StoredSession, audience: Audience, cause: Cause): Flight<Landing> => {
    const name = flightName(stored, audience);
    if (flights.isUnderWay(name)) metrics.refresh('joined');
    return flights.board(name, (takeOff) =>
      lead(stored, audience, cause, takeOff).catch((error: unknown) => {
        metrics.refresh('kept');
        return { kind: 'kept', error: asGatewayError(error) };
      }),
    );
  };

  const lead = async (
    stored: StoredSession,
    audience: Audience,
    cause: Cause,
    takeOff: () => void,
  ): Promise<Landing> => {
    const askedAtMs = clock();
    const lease = await locks.acquire(stored.key, Date.now() + deps.lockWaitMs);
    metrics.lockWait((clock() - askedAtMs) / 1000);
    if (lease === undefined) {
      metrics.refresh('kept');
      return kept('Another process has tried to renew the token, without success so far.', 1_000);
    }
    takeOff();
    let flown: Flown | undefined;
    try {
      // Whoever held the lock before us may have renewed it: what was read before the wait is not spent.
      const current = await sessions.reload(stored.key);
      if (current === undefined) {
        metrics.refresh('failed');
        return { kind: 'ended' };
      }
      const hasAnother = accessTokenOf(current, audience) !== accessTokenOf(stored, audience);
      if (hasAnother && freshnessIn(current, audience) !== 'over') {
        metrics.refresh('reused');
        return { kind: 'renewed', stored: current };
      }
      flown = await renew(current, audience, cause, lease);
      if (flown.landing !== undefined) return flown.landing;
    } finally {
      // Nobody may spend the old refresh token while the new one waits to be written.
      track(Promise.resolve(flown?.saved).then(() => lease.release(flown?.outcome)));
    }
    return lead(stored, audience, cause, takeOff);
  };

  /** Spends the refresh token of a session that was read under its lock. */
  const renew = async (
    current: StoredSession,
    audience: Audience,
    cause: Cause,
    lease: Lease,
  ): Promise<Flown> => {
    const { session } = current;
    const { refreshToken } = session.tokens;
    if (refreshToken === undefined) {
      await sessions.end(current.key, 'expired');
      return { landing: { kind: 'ended' } };
    }
    const refusedAtMs = refusals.recent(session);
    if (cause === 'refusal' && refusals.areTooMany(refusedAtMs)) {
      metrics.refresh('kept');
      return { landing: kept('The API goes on refusing renewed tokens.', 1_000) };
    }
    const tooSoonMs = rate.take(current.key);
    if (tooSoonMs > 0) {
      metrics.refresh('kept');
      return { landing: kept('This session has been renewed too often.', tooSoonMs) };
    }

    const outcome = await exchange({
      refreshToken,
      subject: session.subject,
      audience,
      maySend: lease.isHeld,
    });
    // The lock had lapsed before anything was sent: this process had been stopped, or the store was away.
    if (outcome.kind === 'transient' && !lease.isHeld()) return { landing: undefined };
    if (outcome.kind !== 'refreshed') {
      const landing = await settleFailure(current, audience, outcome);
      const isFailure = landing?.kind === 'kept' && landing.error.code === 'provider_unavailable';
      return { landing, outcome: isFailure ? 'failed' : undefined };
    }

    const tokens = mergeRefreshAnswer(session.tokens, audience.id, outcome.answer, outcome.sentAtMs);
    const { result, stored, saved } = await sessions.replace(current, {
      ...session,
      tokens,
      claims: outcome.claims ?? session.claims,
      refusedAtMs,
    });
    switch (result) {
      case 'replaced':
        metrics.refresh('refreshed');
        return { landing: { kind: 'renewed', stored }, saved };
      case 'gone':
        // Signed out meanwhile: the session does not come back, and its new tokens are of no use to anybody.
        metrics.refresh('failed');
        sessions.revoke(tokens.refreshToken);
        return { landing: { kind: 'ended' } };
      case 'conflict': {
        metrics.refresh('failed');
        const winner = await sessions.reload(current.key);
        return { landing: winner === undefined ? { kind: 'ended' } : { kind: 'renewed', stored: winner } };
      }
    }
  };

  const settleFailure = async (
    current: StoredSession,
    audience: Audience,
    outcome: Exclude<RefreshOutcome, { kind: 'refreshed' }>,
  ): Promise<Landing | undefined> => {
    switch (outcome.kind) {
      case 'rejected': {
        const winner = await sessions.reload(current.key);
        if (winner === undefined) {
          // Signed out meanwhile: that is why.
          metrics.refresh('failed');
          return { kind: 'ended' };
        }
        if (accessTokenOf(winner, audience) !== accessTokenOf(current, audience)) {
          metrics.refresh('reused');
          return { kind: 'renewed', stored: winner };
        }
        // The session lives on another refresh token by now: nothing was said about that one.
        if (winner.session.tokens.refreshToken !== current.session.tokens.refreshToken) return undefined;
        metrics.refresh('rejected');
        log.warn({ err: outcome.cause }, 'the provider rejected a refresh token: the session is ended');
        await sessions.end(current.key, 'refresh_rejected');
        return { kind: 'ended' };
      }
      case 'identity_changed':
        metrics.refresh('rejected');
        log.error(
          { err: outcome.cause },
          'a refresh brought the ID token of somebody else: the session is ended',
        );
        sessions.revoke(outcome.refreshToken);
        await sessions.end(current.key, 'identity_changed');
        return { kind: 'ended' };
      case 'misconfigured':
        metrics.refresh('kept');
        if (audience.id !== '' && isAboutAudience(outcome.error)) {
          refusals.deny(current.key, audience);
          return { kind: 'kept', error: notGranted(outcome.cause) };
        }
        return kept('The identity provider cannot renew the token now.', 5_000, outcome.cause);
      case 'ambiguous':
        metrics.refresh('kept');
        return kept('The identity provider cannot renew the token now.', 5_000, outcome.cause);
      case 'transient':
        metrics.refresh('kept');
        return kept(
          'The identity provider cannot be reached to renew the token.',
          (outcome.retryAfterSeconds ?? 1) * 1000,
          outcome.cause,
        );
    }
  };

  const wait = async (flight: Flight<Landing>): Promise<Landing> =>
    (await flight.landing(deps.waitMs)) ?? kept('Renewing the token takes too long.', 1_000);

  const freshnessIn = ({ session }: StoredSession, audience: Audience): Freshness => {
    const token = session.tokens.access[audience.id];
    return token === undefined ? 'over' : freshnessOf(token, clock(), ahead);
  };

  /** Tells whether renewing ahead has a point: not while it is under way, nor while the token endpoint is left alone. */
  const mayRenewAhead = (stored: StoredSession, audience: Audience) =>
    stored.session.tokens.refreshToken !== undefined &&
    !flights.isUnderWay(flightName(stored, audience)) &&
    !refusals.isDenied(stored.key, audience) &&
    breaker.pauseMs() === 0;

  /**
   * Counts a renewal in vain in the record, where every process sees it: once for each token, whoever comes first. Under
   * the lock, as all that is written: no renewed tokens can find that another version of the record was first.
   */
  const countRefusal = async ({ stored, audience }: Credential): Promise<void> => {
    const lease = await locks.acquire(stored.key, Date.now() + deps.lockWaitMs);
    if (lease === undefined) return;
    try {
      const current = await sessions.reload(stored.key);
      if (current === undefined) return;
      const refusedAtMs = refusals.recent(current.session);
      const { obtainedAtMs = 0 } = stored.session.tokens.access[audience.id] ?? {};
      if ((refusedAtMs.at(-1) ?? 0) >= obtainedAtMs) return;
      await sessions.replace(current, { ...current.session, refusedAtMs: [...refusedAtMs, clock()] });
    } finally {
      await lease.release();
    }
  };

  return {
    async fresh(stored, audience) {
      switch (freshnessIn(stored, audience)) {
        case 'near':
          if (mayRenewAhead(stored, audience)) void fly(stored, audience, 'age');
          return credential(stored, audience);
        case 'fresh':
          return credential(stored, audience);
        case 'over':
          if (refusals.isDenied(stored.key, audience)) throw notGranted();
          return credential(arrive(await wait(fly(stored, audience, 'age'))), audience);
      }
    },

    async afterRefusal(refused, route) {
      const { stored, audience, accessToken } = refused;
      const { refreshToken } = stored.session.tokens;
      if (refreshToken === undefined || refusals.isHopeless(refused, route)) return undefined;
      if (refusals.isDenied(stored.key, audience)) return undefined;
      const landing = await wait(fly(stored, audience, 'refusal'));
      if (landing.kind === 'kept') return undefined;
      const renewed = credential(arrive(landing), audience);
      return renewed.accessToken === accessToken ? undefined : renewed;
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

function flightName(stored: StoredSession, audience: Audience): string {
  return `${stored.key} ${audience.id}`;
}

function accessTokenOf({ session }: StoredSession, audience: Audience): string | undefined {
  return session.tokens.access[audience.id]?.value;
}

function credential(stored: StoredSession, audience: Audience): Credential {
  const accessToken = accessTokenOf(stored, audience);
  if (accessToken === undefined)
    throw new Error('a renewed session has no token for the audience it was renewed for');
  return { stored, audience, accessToken };
}

function arrive(landing: Landing): StoredSession {
  switch (landing.kind) {
    case 'renewed':
      return landing.stored;
    case 'ended':
      throw new GatewayError('session_expired', { detail: 'The session has ended. Sign in again.' });
    case 'kept':
      throw landing.error;
  }
}

function kept(detail: string, retryAfterMs: number, cause?: unknown): Landing {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return {
    kind: 'kept',
    error: new GatewayError('provider_unavailable', { detail, retryAfterSeconds, cause }),
  };
}

function notGranted(cause?: unknown): GatewayError {
  const detail = 'This call needs a scope or a resource that was not granted at sign-in.';
  return new GatewayError('step_up_required', { detail, cause });
}

function asGatewayError(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
}
