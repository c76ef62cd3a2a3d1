import type { RequestHandler } from 'express';
import { createLogLimit, type LogLimit } from '../observability/log-limit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createRequestLog } from '../observability/request-log.ts';
import { requestContextOf, type RequestContext } from './inbound/request-context.ts';

/** Counts and logs one finished request, and ends its span. The log line never contains a query string, a header or a body. */
export type AccessLog = (method: string | undefined, status: number, context: RequestContext) => void;

export function createAccessLog(deps: { log: Logger; metrics: Metrics; clock: () => number }): AccessLog {
  const { metrics, clock } = deps;
  const logRequest = createRequestLog(deps.log);
  return (method = '', status, context) => {
    const durationMs = clock() - context.startedAtMs;
    metrics.request(context.route, method, status, durationMs / 1000, context.traceId);
    const { requestId, traceId, route, target, clientAddress, rejectionLogLimit } = context;
    const due = status < 400 || rejectionLogLimit === undefined ? always : rejectionLogLimit.take();
    if (due !== undefined) {
      logRequest({
        requestId,
        traceId,
        method,
        path: target.path,
        route,
        status,
        durationMs,
        clientAddress,
        omitted: due.omitted,
      });
    }
    endSpan(method, status, context);
  };
}

/** A line that no limit concerns. */
const always: ReturnType<LogLimit['take']> = {};

/** nginx's status for a request whose client disconnected before the response started. */
export const CLIENT_CLOSED_REQUEST = 499;

/** The shortest time between two lines about rejected requests that have a limit, in milliseconds. */
const REJECTION_INTERVAL_MS = 1_000;

/** Limits the access-log lines about rejected requests to one per second. For requests that anybody can send in any number. */
export function createRejectionLogLimit(clock: () => number): RequestHandler {
  const limit = createLogLimit({ intervalMs: REJECTION_INTERVAL_MS, clock });
  return function limitRejectionLog(_request, response, next) {
    requestContextOf(response).rejectionLogLimit = limit;
    next();
  };
}

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
