import type { RequestHandler } from 'express';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RequestContext } from './inbound/request-context.ts';

/** Counts and logs one finished request. The log line never contains a query string, a header or a body. */
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
  };
}

/** nginx's status for a request whose client disconnected before the response started. */
const CLIENT_CLOSED_REQUEST = 499;

/** Runs before the guard, so that requests the guard rejects are counted too. */
export function createAccessLogMiddleware(
  accessLog: AccessLog,
  metrics: Pick<Metrics, 'requestBegan' | 'requestEnded'>,
): RequestHandler {
  return function logRequest(request, response, next) {
    metrics.requestBegan();
    response.once('close', () => {
      metrics.requestEnded();
      const { context } = response.locals;
      if (context === undefined) return;
      accessLog(request.method, response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST, context);
    });
    next();
  };
}
