import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Provider, RefreshOutcome } from '../provider/provider.ts';
import type { Locks } from '../redis/lock.ts';
import type { StoredSession } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { freshnessOf, type Ahead } from '../tokens/freshness.ts';
import { mergeRefreshAnswer } from '../tokens/token-set.ts';
import type { Breaker } from './breaker.ts';
import type { Rate } from './rate.ts';

/** Keeps the access tokens of sessions usable, spending each refresh token once. */
export type Refresher = {
  /**
   * Gives the session with an access token that may be sent now. A token near its end is renewed behind the request; one
   * that is over is waited for. Throws `session_expired` when it cannot be renewed any more, `provider_unavailable` or
   * `store_unavailable` when it cannot be renewed now.
   */
  fresh(stored: StoredSession): Promise<StoredSession>;
  /**
   * Gives the session with another access token than the one an upstream refused, or undefined when there is none to be
   * had: the refusal is then the answer. Throws `session_expired`.
   */
  afterRefusal(stored: StoredSession, route: string): Promise<StoredSession | undefined>;
  /** Notes that the upstream of `route` refused even a renewed token: that token is not renewed for it again. */
  refusedAgain(stored: StoredSession, route: string): void;
  /** Settles when no refresh is in flight. */
  settle(): Promise<void>;
};

type RefresherDeps = {
  sessions: Sessions;
  provider: Provider;
  locks: Locks;
  breaker: Breaker;
  rate: Rate;
  ahead: Ahead;
  retries: number;
  /** The longest wait for a lock that another process holds, in milliseconds. */
  lockWaitMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/** How a flight ended, for everybody who waited on it. */
type Landing =
  | { kind: 'renewed'; stored: StoredSession }
  | { kind: 'ended' }
  | { kind: 'kept'; error: GatewayError };

/** Pause before a call that failed without being sent is tried again, in milliseconds. */
const RETRY_PAUSE_MS = 150;
/** How many refusals by upstreams are remembered. */
const REMEMBERED_REFUSALS = 10_000;

/** The refresh protocol of `docs/refresh.md`: one flight a session in the process, one lock a session across processes. */
export function createRefresher(deps: RefresherDeps): Refresher {
  const { sessions, provider, locks, breaker, rate, ahead, clock, log, metrics } = deps;
  const flights = new Map<string, Promise<Landing>>();
  /** The access token that the upstream of a route went on refusing, by session and route. */
  const refusals = new Map<string, string>();

  /** Joins the flight of a session, or starts it. */
  const fly = (stored: StoredSession): Promise<Landing> => {
    const flying = flights.get(stored.key);
    if (flying !== undefined) {
      metrics.refresh('joined');
      return flying;
    }
    const flight = lead(stored)
      .catch((error: unknown): Landing => ({ kind: 'kept', error: asGatewayError(error) }))
      .finally(() => flights.delete(stored.key));
    flights.set(stored.key, flight);
    return flight;
  };

  const lead = async (stored: StoredSession): Promise<Landing> => {
    const askedAtMs = clock();
    const lease = await locks.acquire(stored.key, askedAtMs + deps.lockWaitMs);
    metrics.lockWait((clock() - askedAtMs) / 1000);
    if (lease === undefined) return kept('Another process is renewing the token and has not finished.', 1_000);
    let saved: Promise<unknown> = Promise.resolve();
    try {
      // Whoever held the lock before us may have renewed it: what was read before the wait is not spent.
      const current = await sessions.reload(stored.key);
      if (current === undefined) return { kind: 'ended' };
      if (current.session.tokens.accessToken !== stored.session.tokens.accessToken) {
        metrics.refresh('reused');
        return { kind: 'renewed', stored: current };
      }
      const refreshToken = current.session.tokens.refreshToken;
      if (refreshToken === undefined) return await over(current);
      const tooSoonMs = rate.take(current.key);
      if (tooSoonMs > 0) return kept('This session has been renewed too often.', tooSoonMs);
      const outcome = await spend(refreshToken, current.session.subject);
      const landing = await settleOutcome(current, outcome);
      if (landing.saved !== undefined) saved = landing.saved;
      return landing;
    } finally {
      // Nobody may spend the old refresh token while the new one waits to be written.
      void saved.finally(() => lease.release());
    }
  };

  /** Calls the provider, again where nothing was sent, and once more where it is not known what became of it. */
  const spend = async (refreshToken: string, subject: string): Promise<RefreshOutcome> => {
    let ambiguous = false;
    for (let attempt = 0; ; attempt += 1) {
      const pauseMs = breaker.pauseMs();
      if (pauseMs > 0) {
        const cause = new Error('the token endpoint has been failing and is left alone for a while');
        return { kind: 'transient', retryAfterSeconds: pauseMs / 1000, cause };
      }
      breaker.asking();
      const startedAtMs = clock();
      const outcome = await provider.refresh({ refreshToken, subject });
      metrics.refreshDuration((clock() - startedAtMs) / 1000);
      switch (outcome.kind) {
        case 'refreshed':
        case 'rejected':
        case 'identity_changed':
          breaker.succeeded();
          return outcome;
        case 'misconfigured':
          breaker.failed(undefined);
          log.error({ error: outcome.error, err: outcome.cause }, 'the provider refuses this client; sessions are kept');
          return outcome;
        case 'transient':
          breaker.failed(outcome.retryAfterSeconds === undefined ? undefined : outcome.retryAfterSeconds * 1000);
          if (attempt >= deps.retries) return outcome;
          break;
        case 'ambiguous':
          breaker.failed(undefined);
          // The provider may have rotated and its answer be lost: within its grace the same token works once more.
          if (ambiguous || attempt >= deps.retries) return outcome;
          ambiguous = true;
          break;
      }
      log.warn({ err: outcome.cause, attempt }, 'the token endpoint did not answer; trying again');
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * (attempt + 1) * (0.75 + Math.random() / 2)));
    }
  };

  const settleOutcome = async (
    current: StoredSession,
    outcome: RefreshOutcome,
  ): Promise<Landing & { saved?: Promise<unknown> }> => {
    switch (outcome.kind) {
      case 'refreshed': {
        const { session } = current;
        const tokens = mergeRefreshAnswer(session.tokens, outcome.answer, outcome.sentAtMs);
        const renewed = { ...session, tokens, claims: outcome.claims ?? session.claims };
        const { result, stored, saved } = await sessions.replace(current, renewed);
        if (result === 'replaced') {
          metrics.refresh('refreshed');
          return { kind: 'renewed', stored, saved };
        }
        metrics.refresh('failed');
        if (result === 'gone') {
          // Signed out meanwhile: the session does not come back, and its new tokens are of no use to anybody.
          sessions.revoke(tokens.refreshToken);
          return { kind: 'ended' };
        }
        const winner = await sessions.reload(current.key);
        return winner === undefined ? { kind: 'ended' } : { kind: 'renewed', stored: winner };
      }
      case 'rejected': {
        const winner = await sessions.reload(current.key);
        if (winner !== undefined && winner.version !== current.version) {
          metrics.refresh('reused');
          return { kind: 'renewed', stored: winner };
        }
        metrics.refresh('rejected');
        await sessions.end(current.key, 'refresh_rejected');
        return { kind: 'ended' };
      }
      case 'identity_changed':
        metrics.refresh('rejected');
        log.error({ err: outcome.cause }, 'a refresh brought the ID token of somebody else: the session is ended');
        sessions.revoke(outcome.refreshToken);
        await sessions.end(current.key, 'identity_changed');
        return { kind: 'ended' };
      case 'misconfigured':
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

  /** Tells whether renewing ahead has a point: not while it is under way, nor while the token endpoint is left alone. */
  const renewable = ({ key, session }: StoredSession) =>
    session.tokens.refreshToken !== undefined && !flights.has(key) && breaker.pauseMs() === 0;

  const over = async (stored: StoredSession): Promise<Landing> => {
    await sessions.end(stored.key, 'expired');
    return { kind: 'ended' };
  };

  return {
    async fresh(stored) {
      switch (freshnessOf(stored.session.tokens, clock(), ahead)) {
        case 'fresh':
          return stored;
        case 'near':
          if (renewable(stored)) void fly(stored);
          return stored;
        case 'over':
          return arrive(await fly(stored));
      }
    },

    async afterRefusal(stored, route) {
      const { accessToken, refreshToken } = stored.session.tokens;
      if (refusals.get(`${stored.key} ${route}`) === accessToken || refreshToken === undefined) return undefined;
      const landing = await fly(stored);
      switch (landing.kind) {
        case 'renewed':
          return landing.stored.session.tokens.accessToken === accessToken ? undefined : landing.stored;
        case 'ended':
          return arrive(landing);
        case 'kept':
          return undefined;
      }
    },

    refusedAgain(stored, route) {
      refusals.set(`${stored.key} ${route}`, stored.session.tokens.accessToken);
      if (refusals.size <= REMEMBERED_REFUSALS) return;
      for (const oldest of refusals.keys()) {
        refusals.delete(oldest);
        break;
      }
    },

    async settle() {
      await Promise.all(flights.values());
    },
  };
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

function asGatewayError(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
}
