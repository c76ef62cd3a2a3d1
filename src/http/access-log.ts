import type { RequestHandler } from 'express';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RequestContext } from './inbound/request-context.ts';

/** Counts and logs one finished request, and ends its span. The log line never contains a query string, a header or a body. */
export type AccessLog = (method: string | undefined, status: number, context: RequestContext) => void;

export function createAccessLog(deps: { log: Logger; metrics: Metrics; clock: () => number }): AccessLog {
  const { log, metrics, clock } = deps;
  return (method = '', status, context) => {
    const durationMs = clock() - context.startedAtMs;
    metrics.request(context.route, method, status, durationMs / 1000, context.traceId);
    const { requestId, traceId, route, target, clientAddress } = context;
    log.info(
      { requestId, traceId, method, path: target.path, route, status, durationMs, clientAddress },
      'request',
    );
    endSpan(method, status, context);
  };
}

/** nginx's status for a request whose client disconnected before the response started. */
export const CLIENT_CLOSED_REQUEST = 499;

/** Ends the span of a request or an upgrade, if there is one and it has not ended yet. */
export function endSpan(method: string, status: number, context: RequestContext): void {
  context.trace?.end({
    'http.request.method': method,
    'http.response.status_code': status,
    'http.route': context.route,
    'url.path': context.target.path,
    'coatcheck.request_id': context.requestId,
  });
}

/** Runs before the guard, so that requests the guard rejects are counted too. */
export function createAccessLogMiddleware(
  accessLog: AccessLog,
  metrics: Pick<Metrics, 'requestBegan' | 'requestEnded'>,
): RequestHandler {
  return function logRequest(request, response, next) {
    metrics.requestBegan();
    response.on('close', () => {
      metrics.requestEnded();
      const { context } = response.locals;
      if (context === undefined) return;
      accessLog(request.method, response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST, context);
    });
    next();
  };
}
