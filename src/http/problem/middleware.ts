import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { createLogLimit, type LogLimit } from '../../observability/log-limit.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { OUTAGE_REPORT_INTERVAL_MS } from '../../timing.ts';
import { isNavigation } from '../inbound/navigation.ts';
import type { RequestContext } from '../inbound/request-context.ts';
import { isSending, linger } from '../server/lingering-close.ts';
import type { NavigationErrors } from './navigation-errors.ts';
import type { Problems } from './problem.ts';

/** Responds to a request that has failed with this error. */
export type ProblemResponder = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  context: RequestContext,
) => void;

/**
 * Turns an error of the pipeline into a response: a page or a redirect for a navigation, otherwise a problem document. Logs the
 * error's cause and never sends it.
 */
export function createProblemResponder(deps: {
  problems: Problems;
  navigationErrors: NavigationErrors;
  log: Logger;
  metrics: RefusalMetrics;
}): ProblemResponder {
  const { problems, navigationErrors, log, metrics } = deps;
  const logProblem = createProblemLog(log, metrics);
  return (error, request, response, context) => {
    const { requestId } = context;
    logProblem(error, requestId);
    if (response.headersSent) return void response.destroy();
    const problem =
      isNavigation(request) || context.failureReturnTo?.always
        ? navigationErrors(error, { method: request.method, requestId, context })
        : problems(error, requestId);
    for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
    response.statusCode = problem.status;
    // SECURITY: after a malformed request, the start of the next one is ambiguous (RFC 9112, section 11.2).
    if (error instanceof GatewayError && error.code === 'bad_request')
      response.setHeader('Connection', 'close');
    if (!isSending(request)) return void response.end(problem.body);
    // The connection could be reused only after the gateway had read the rest of the unwanted body.
    response.setHeader('Connection', 'close');
    // A client that waits for 100 Continue has not sent any of its body.
    if (request.headers.expect !== undefined) return void response.end(problem.body);
    response.setHeader('Content-Length', Buffer.byteLength(problem.body));
    response.write(problem.body);
    linger(request);
    request.once('close', () => response.end());
  };
}

/** Counts the refusals that operators watch apart from their statuses. */
export type RefusalMetrics = Pick<Metrics, 'csrfRefusal' | 'rateLimited'>;

function countRefusal({ code, options }: GatewayError, metrics: RefusalMetrics): void {
  if (code === 'csrf_rejected' || code === 'origin_rejected') metrics.csrfRefusal(code);
  else if (code === 'rate_limited') metrics.rateLimited(options.limit ?? 'other');
}

/** Logs why a request failed, and counts it. */
export type ProblemLog = (error: unknown, requestId: string) => void;

/**
 * Logs an unexpected error at error, failed logins and 5xx responses at warn, and client errors at debug. An outage of the store
 * or the provider concerns many requests, and has lines of its own: a request that the store fails is logged at debug, and so
 * are those that the provider fails, except one of each kind at intervals.
 */
export function createProblemLog(log: Logger, metrics?: RefusalMetrics): ProblemLog {
  const limits = new Map<string | undefined, LogLimit>();
  const limitOf = (throttle: string | undefined) => {
    const known = limits.get(throttle);
    if (known !== undefined) return known;
    const limit = createLogLimit({ intervalMs: OUTAGE_REPORT_INTERVAL_MS, clock: () => performance.now() });
    limits.set(throttle, limit);
    return limit;
  };

  const logServerError = (error: GatewayError, requestId: string) => {
    const { code, options } = error;
    const { throttle } = options;
    const fields = { requestId, code, throttle, err: error };
    const due = code === 'provider_unavailable' ? limitOf(throttle).take() : {};
    if (code === 'store_unavailable' || due === undefined) log.debug(fields, 'request failed');
    else log.warn({ ...fields, ...due }, 'request failed');
  };

  return (error, requestId) => {
    if (metrics !== undefined && error instanceof GatewayError) countRefusal(error, metrics);
    if (!(error instanceof GatewayError)) log.error({ requestId, err: error }, 'unexpected error');
    else if (error.status >= 500) logServerError(error, requestId);
    else if (error.options.reason !== undefined) {
      log.warn({ requestId, reason: error.options.reason, err: error.options.cause }, 'login failed');
    } else log.debug({ requestId, code: error.code, detail: error.options.detail }, 'request rejected');
  };
}
