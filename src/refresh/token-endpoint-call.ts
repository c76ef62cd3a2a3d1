import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Provider, RefreshOutcome, RefreshRequest } from '../provider/provider.ts';
import type { Attempt, CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Semaphore } from '../concurrency/semaphore.ts';

/** Spends a refresh token at the provider: once, and again only where nothing was sent or it is not known what came of it. */
export type TokenEndpointCall = (request: RefreshRequest) => Promise<RefreshOutcome>;

/** Pause before a further call, in milliseconds; it grows with each and is jittered. */
const RETRY_PAUSE_MS = 150;

export function createTokenEndpointCall(deps: {
  provider: Provider;
  breaker: CircuitBreaker;
  turnstile: Semaphore;
  retries: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): TokenEndpointCall {
  const { provider, breaker, turnstile, retries, clock, log, metrics } = deps;

  const call = async (request: RefreshRequest): Promise<RefreshOutcome> => {
    const pauseMs = breaker.pauseMs();
    if (pauseMs > 0) {
      const cause = new Error('the token endpoint has been failing and is left alone for a while');
      return { kind: 'transient', retryAfterSeconds: pauseMs / 1000, cause };
    }
    const attempt = breaker.begin();
    const startedAtMs = clock();
    const outcome = await provider.refresh(request);
    metrics.refreshDuration((clock() - startedAtMs) / 1000);
    // What was not sent, since the lock had lapsed, says nothing about the provider.
    if (outcome.kind === 'transient' && !request.maySend()) attempt.cancel();
    else note(outcome, attempt);
    return outcome;
  };

  const note = (outcome: RefreshOutcome, attempt: Attempt) => {
    switch (outcome.kind) {
      case 'refreshed':
      case 'rejected':
      case 'identity_changed':
        return attempt.succeeded();
      case 'misconfigured':
        // The provider is well, and says no to what this one route asks for.
        if (isAboutAudience(outcome.error)) return attempt.succeeded();
        log.error(
          { error: outcome.error, err: outcome.cause },
          'the provider refuses this client; sessions are kept',
        );
        return attempt.failed(undefined);
      case 'ambiguous':
        return attempt.failed(undefined);
      case 'transient':
        return attempt.failed(
          outcome.retryAfterSeconds === undefined ? undefined : outcome.retryAfterSeconds * 1000,
        );
    }
  };

  return async (request) => {
    let wasAmbiguous = false;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await turnstile.run(() => call(request));
      const isFinal = outcome.kind !== 'transient' && outcome.kind !== 'ambiguous';
      if (isFinal || attempt >= retries || breaker.pauseMs() > 0 || !request.maySend()) return outcome;
      // The provider may have rotated and its answer be lost: within its grace the same token works, but once.
      if (outcome.kind === 'ambiguous' && wasAmbiguous) return outcome;
      wasAmbiguous ||= outcome.kind === 'ambiguous';
      log.warn({ err: outcome.cause, attempt }, 'the token endpoint did not answer; trying again');
      const pause = RETRY_PAUSE_MS * (attempt + 1) * (0.75 + Math.random() / 2);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
}

/** Refusals of the scopes or the resource of a refresh (RFC 6749, section 5.2; RFC 8707, section 2), or for want of consent. */
export function isAboutAudience(error: string): boolean {
  return error === 'invalid_scope' || error === 'invalid_target' || error === 'consent_required';
}
