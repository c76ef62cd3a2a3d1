import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Semaphore } from '../concurrency/semaphore.ts';
import { GatewayError } from '../errors.ts';
import type { RouteToken, ServiceMetrics } from '../observability/metrics/services.ts';
import type { GrantOutcome } from '../provider/grants/token-grants.ts';
import { isAboutClient, isUnexpected } from '../refresh/error-kinds.ts';

/** Calls the token endpoint for a token of routes, unless the circuit breaker that all calls of it share is open. */
export type GrantCall = (token: RouteToken, send: () => Promise<GrantOutcome>) => Promise<GrantOutcome>;

/**
 * The breaker and the semaphore are those of the refreshes, since the endpoint is the same. A refusal of one route's
 * request does not count as a failure of it.
 */
export function createGrantCall(deps: {
  breaker: CircuitBreaker;
  semaphore: Semaphore;
  metrics: Pick<ServiceMetrics, 'tokenGrant'>;
}): GrantCall {
  const { breaker, semaphore, metrics } = deps;
  const call: GrantCall = async (token, send) => {
    const pauseMs = breaker.pauseMs();
    if (pauseMs > 0) {
      const cause = new Error('the token endpoint keeps failing; the circuit breaker is open');
      return { kind: 'unavailable', retryAfterSeconds: pauseMs / 1000, cause };
    }
    const attempt = breaker.begin();
    const startedAtMs = performance.now();
    const outcome = await send();
    metrics.tokenGrant(token, outcome.kind, (performance.now() - startedAtMs) / 1000);
    if (outcome.kind === 'unavailable') attempt.failed(retryAfterMs(outcome));
    else if (outcome.kind === 'refused' && isAboutClient(outcome.error))
      attempt.failed(undefined, isUnexpected(outcome.error) ? 'grants' : undefined);
    else attempt.succeeded();
    return outcome;
  };
  return (token, send) => semaphore.run(() => call(token, send));
}

/** How long a refused request is not repeated, in milliseconds. */
export const REFUSED_MS = 60_000;

/** The error of a request whose token the provider cannot issue now. */
export function grantUnavailable(retryAfterSeconds = 1, cause?: unknown): GatewayError {
  return new GatewayError('provider_unavailable', {
    detail: 'The identity provider cannot issue the token for this API now. Try again.',
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)),
    cause,
  });
}

function retryAfterMs({ retryAfterSeconds }: { retryAfterSeconds: number | undefined }): number | undefined {
  return retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000;
}
