import { jittered } from '../concurrency/backoff.ts';
import type { Attempt, CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Semaphore } from '../concurrency/semaphore.ts';
import { createLimitedWarning } from '../observability/log-limit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Provider, RefreshOutcome, RefreshRequest } from '../provider/provider.ts';
import type { MarkResult, Sending } from '../sessions/store/spend-mark.ts';
import { OUTAGE_REPORT_INTERVAL_MS } from '../timing.ts';
import { isAboutClient, isUnexpected } from './error-kinds.ts';
import { createUnansweredCheck } from './unanswered-check.ts';

/**
 * The reasons not to try a refresh, or not to wait for it any longer; the log line of a 503 names one.
 * - `circuit_breaker`: the token endpoint has been failing, or asked for a pause;
 * - `session_pause`: the refresh token was sent twice without a response, or the last response was not one of OAuth;
 * - `session_limit`: `refresh.maxPerMinute`;
 * - `suppression`: an upstream keeps rejecting refreshed tokens, or the provider refuses to refresh the session;
 * - `lock`: another process holds the session's lock, or has just failed under it;
 * - `wait_timeout`: the refresh takes longer than `refresh.timeout`, and goes on.
 */
export type RefreshThrottle =
  'circuit_breaker' | 'session_pause' | 'session_limit' | 'suppression' | 'lock' | 'wait_timeout';

/**
 * With a `throttle` the provider was not called, and neither with `not_marked`: the record has changed, or bears the spend
 * mark of another refresh.
 */
export type TokenEndpointOutcome =
  | (RefreshOutcome & { readonly throttle?: RefreshThrottle })
  | { readonly kind: 'not_marked'; readonly mark: MarkResult };

/** The spend mark of one refresh. */
export type OwnMark = {
  /**
   * Writes it, unless the refresh token was sent more than `unanswered` times without a response. If this throws, nothing is
   * sent.
   */
  readonly write: (unanswered: number) => Promise<MarkResult>;
  /** Removes it; never rejects. An answered sending no longer counts. */
  readonly remove: (sending: Sending) => Promise<void>;
};

/** A refresh of the session with this key. */
export type SessionRefresh = RefreshRequest & { readonly key: string };

/**
 * Spends a refresh token: once, and again where nothing was sent, or once where the outcome is unknown. Each call is marked.
 * The mark stays after `refreshed` and `ambiguous`.
 */
export type TokenEndpointCall = (request: SessionRefresh, mark: OwnMark) => Promise<TokenEndpointOutcome>;

/** The pause before the first retry, in milliseconds; each further pause is longer by the same amount. */
const RETRY_PAUSE_MS = 150;
/** The provider may have rotated the token although the response was lost: in its grace period the same token works once. */
const MAX_UNANSWERED = 1;

export function createTokenEndpointCall(deps: {
  provider: Provider;
  breaker: CircuitBreaker;
  semaphore: Semaphore;
  retries: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): TokenEndpointCall {
  const { provider, breaker, semaphore, retries, clock, log, metrics } = deps;

  const warnOfRetry = createLimitedWarning({ log, intervalMs: OUTAGE_REPORT_INTERVAL_MS, clock });

  /** Every call of the endpoint: `by` is the key of its session. */
  const send = async (request: RefreshRequest, by: string): Promise<RefreshOutcome> => {
    const attempt = breaker.begin();
    const startedAtMs = clock();
    const outcome = await provider.refresh(request);
    metrics.refreshDuration((clock() - startedAtMs) / 1000);
    // Nothing was sent, because the lock had expired: that says nothing about the provider.
    if (outcome.kind === 'transient' && !request.maySend()) attempt.cancel();
    else tellBreaker(outcome, attempt, by);
    unansweredCheck.observe(outcome, startedAtMs);
    return outcome;
  };

  const unansweredCheck = createUnansweredCheck({ breaker, send, clock });

  const call: TokenEndpointCall = async (request, ownMark) => {
    const pauseMs = breaker.pauseMs();
    if (pauseMs > 0) {
      const cause = new Error('the token endpoint keeps failing; the circuit breaker is open');
      return { kind: 'transient', retryAfterSeconds: pauseMs / 1000, cause, throttle: 'circuit_breaker' };
    }
    let mark = await ownMark.write(MAX_UNANSWERED);
    if (mark.kind === 'unanswered') {
      const waitMs = await unansweredCheck.waitMs(mark);
      if (waitMs > 0) {
        const cause = new Error('the refresh token was sent twice, and the provider did not respond');
        return { kind: 'transient', retryAfterSeconds: waitMs / 1000, cause, throttle: 'session_pause' };
      }
      mark = await ownMark.write(mark.count);
    }
    if (mark.kind !== 'marked') return { kind: 'not_marked', mark };
    const outcome = await send(request, request.key);
    // If this process is killed now, no other one has to wait for its mark.
    if (outcome.kind !== 'refreshed' && outcome.kind !== 'ambiguous') await ownMark.remove('answered');
    return outcome;
  };

  const tellBreaker = (outcome: RefreshOutcome, attempt: Attempt, by: string) => {
    switch (outcome.kind) {
      case 'refreshed':
        if (outcome.tokenResponse.accessToken !== undefined) return attempt.succeeded();
        log.error('the provider returned no usable access token; keeping the session and its refresh token');
        return attempt.failed(undefined, by);
      case 'rejected':
      case 'identity_changed':
        return attempt.succeeded();
      case 'misconfigured':
        // The provider works and rejects only the request of this session or route.
        if (!isAboutClient(outcome.error)) return attempt.succeeded();
        if (isUnexpected(outcome.error)) {
          log.error(
            { session: by, error: outcome.error, err: outcome.cause },
            'the token endpoint returned no OAuth response; keeping the session. Check the endpoint and what is in front of it',
          );
          return attempt.failed(undefined, by);
        }
        log.error(
          { error: outcome.error, err: outcome.cause },
          'the provider rejects this client; keeping the sessions. Check the client credentials and registration',
        );
        return attempt.failed(undefined);
      case 'ambiguous':
      case 'transient':
        return attempt.failed(
          outcome.retryAfterSeconds === undefined ? undefined : outcome.retryAfterSeconds * 1000,
        );
    }
  };

  return async (request, mark) => {
    let wasAmbiguous = false;
    // Redis may have written a mark and lost only the reply.
    const written: OwnMark['write'] = (unanswered) =>
      mark.write(unanswered).catch(async (error: unknown) => {
        await mark.remove(wasAmbiguous ? 'unanswered' : 'answered');
        throw error;
      });
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await semaphore.run(() => call(request, { ...mark, write: written }));
      const isFinal = outcome.kind !== 'transient' && outcome.kind !== 'ambiguous';
      if (isFinal || attempt >= retries || breaker.pauseMs() > 0 || !request.maySend()) return outcome;
      if (outcome.kind === 'ambiguous' && wasAmbiguous) return outcome;
      if (outcome.kind === 'transient' && outcome.throttle === 'session_pause') return outcome;
      wasAmbiguous ||= outcome.kind === 'ambiguous';
      warnOfRetry({ err: outcome.cause, attempt }, 'token endpoint call failed; retrying');
      const pauseMs = jittered(RETRY_PAUSE_MS * (attempt + 1), 0.75, 1.25);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
}
