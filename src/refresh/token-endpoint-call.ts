import { jittered } from '../concurrency/backoff.ts';
import type { Attempt, CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Semaphore } from '../concurrency/semaphore.ts';
import { createLimitedWarning } from '../observability/log-limit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Provider, RefreshOutcome, RefreshRequest } from '../provider/provider.ts';
import type { MarkResult } from '../sessions/store/spend-mark.ts';
import { OUTAGE_REPORT_INTERVAL_MS } from '../timing.ts';

/**
 * The reasons not to try a refresh, or not to wait for it any longer; the log line of a 503 names one.
 * - `circuit_breaker`: the token endpoint has been failing, or asked for a pause;
 * - `session_limit`: `refresh.maxPerMinute`;
 * - `suppression`: an upstream keeps rejecting refreshed tokens;
 * - `lock`: another process holds the session's lock, or has just failed under it;
 * - `wait_timeout`: the refresh takes longer than `refresh.timeout`, and goes on.
 */
export type RefreshThrottle = 'circuit_breaker' | 'session_limit' | 'suppression' | 'lock' | 'wait_timeout';

/**
 * With a `throttle` the provider was not called, and neither with `not_marked`: the record has changed, or bears the spend
 * mark of another refresh.
 */
export type TokenEndpointOutcome =
  | (RefreshOutcome & { readonly throttle?: RefreshThrottle })
  | { readonly kind: 'not_marked'; readonly mark: MarkResult };

/** The spend mark of one refresh. */
export type OwnMark = {
  /** Writes it. If this throws, nothing is sent. */
  readonly write: () => Promise<MarkResult>;
  /** Removes it; never rejects. */
  readonly remove: () => Promise<void>;
};

/** Spends a refresh token: once, and again only where nothing was sent or the outcome is unknown. Each call is marked. */
export type TokenEndpointCall = (request: RefreshRequest, mark: OwnMark) => Promise<TokenEndpointOutcome>;

/** The pause before the first retry, in milliseconds; each further pause is longer by the same amount. */
const RETRY_PAUSE_MS = 150;

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

  const call: TokenEndpointCall = async (request, ownMark) => {
    const pauseMs = breaker.pauseMs();
    if (pauseMs > 0) {
      const cause = new Error('the token endpoint keeps failing; the circuit breaker is open');
      return { kind: 'transient', retryAfterSeconds: pauseMs / 1000, cause, throttle: 'circuit_breaker' };
    }
    const mark = await ownMark.write().catch(async (error: unknown) => {
      // Redis may have written the mark and lost only the reply.
      await ownMark.remove();
      throw error;
    });
    if (mark.kind !== 'marked') return { kind: 'not_marked', mark };
    const attempt = breaker.begin();
    const startedAtMs = clock();
    const outcome = await provider.refresh(request);
    metrics.refreshDuration((clock() - startedAtMs) / 1000);
    // Nothing was sent, because the lock had expired: that says nothing about the provider.
    if (outcome.kind === 'transient' && !request.maySend()) attempt.cancel();
    else tellBreaker(outcome, attempt);
    return outcome;
  };

  const tellBreaker = (outcome: RefreshOutcome, attempt: Attempt) => {
    switch (outcome.kind) {
      case 'refreshed':
        if (outcome.tokenResponse.accessToken !== undefined) return attempt.succeeded();
        log.error('the provider returned no usable access token; keeping the session and its refresh token');
        return attempt.failed(undefined);
      case 'rejected':
      case 'identity_changed':
        return attempt.succeeded();
      case 'misconfigured':
        // The provider works and rejects only the request of this session or route.
        if (!isAboutClient(outcome.error)) return attempt.succeeded();
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
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await semaphore.run(() => call(request, mark));
      const isFinal = outcome.kind !== 'transient' && outcome.kind !== 'ambiguous';
      if (isFinal || attempt >= retries || breaker.pauseMs() > 0 || !request.maySend()) return outcome;
      // The provider may have rotated the token although the response was lost: in its grace period the same token works once.
      if (outcome.kind === 'ambiguous' && wasAmbiguous) return outcome;
      wasAmbiguous ||= outcome.kind === 'ambiguous';
      warnOfRetry({ err: outcome.cause, attempt }, 'token endpoint call failed; retrying');
      // Nothing was sent: if this process is killed during the pause, no other one has to wait for its mark.
      if (outcome.kind === 'transient') await mark.remove();
      const pauseMs = jittered(RETRY_PAUSE_MS * (attempt + 1), 0.75, 1.25);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
}

/** The status of a vendor's own endpoint, which says nothing about the refresh token: a firewall in front may send it. */
export function isVendorStatus(error: string): boolean {
  return /^status \d{3}$/.test(error);
}

/** Rejections that concern every session: of the client itself, or from a server that does not support OAuth. */
export function isAboutClient(error: string): boolean {
  return error === 'invalid_client' || error.startsWith('unexpected status');
}
