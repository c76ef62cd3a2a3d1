import type { ErrorRequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { isNavigation } from '../inbound/navigation.ts';
import { createRequestId } from '../inbound/request-context.ts';
import { isSending, linger } from '../server/lingering-close.ts';
import type { NavigationErrors } from './navigation-errors.ts';
import type { Problems } from './problem.ts';

/**
 * Turns an error of the pipeline into a response: a page or a redirect for a navigation, otherwise a problem document. Logs the
 * error's cause and never sends it.
 */
export function createProblemMiddleware(deps: {
  problems: Problems;
  navigationErrors: NavigationErrors;
  log: Logger;
}): ErrorRequestHandler {
  const { problems, navigationErrors, log } = deps;
  return function respondWithProblem(error, request, response, _next) {
    const { context } = response.locals;
    const requestId = context?.requestId ?? createRequestId();
    logProblem(log, error, requestId);
    if (response.headersSent) return void response.destroy();
    const problem = isNavigation(request)
      ? navigationErrors(error, { method: request.method, requestId, context })
      : problems(error, requestId);
    for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
    response.status(problem.status);
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

/**
 * Logs an unexpected error at error, outages and failed logins at warn, and client errors at debug. An outage of the store
 * concerns every request: the connection logs it and counts its failures, so a single request is logged at debug.
 */
export function logProblem(log: Logger, error: unknown, requestId: string): void {
  if (!(error instanceof GatewayError)) log.error({ requestId, err: error }, 'unexpected error');
  else if (error.status >= 500) {
    const { code, options } = error;
    const level = code === 'store_unavailable' ? 'debug' : 'warn';
    log[level]({ requestId, code, throttle: options.throttle, err: error }, 'request failed');
  } else if (error.code === 'login_failed') {
    log.warn({ requestId, reason: error.options.reason, err: error.options.cause }, 'login failed');
  } else log.debug({ requestId, code: error.code, detail: error.options.detail }, 'request rejected');
}
