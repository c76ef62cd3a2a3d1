import type { RequestHandler } from 'express';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RequestContext } from './inbound/request-context.ts';

/** Counts and logs a request once its response has ended. No query string, header or body is in the line. */
export type AccessLog = (method: string | undefined, status: number, context: RequestContext) => void;

export function createAccessLog(deps: { log: Logger; metrics: Metrics; clock: () => number }): AccessLog {
  const { log, metrics, clock } = deps;
  return (method = '', status, context) => {
    const durationMs = clock() - context.startedAtMs;
    metrics.request(context.route, method, status, durationMs / 1000);
    const { requestId, route, target, clientAddress } = context;
    log.info({ requestId, method, path: target.path, route, status, durationMs, clientAddress }, 'request');
  };
}

/** The status that nginx made usual for a request whose connection ended before its response began. */
const CLIENT_HAS_GONE = 499;

/** Runs before the guard, so that requests the guard refuses are counted too. */
export function createAccessLogMiddleware(accessLog: AccessLog): RequestHandler {
  return function logRequest(request, response, next) {
    response.once('close', () => {
      const { context } = response.locals;
      if (context === undefined) return;
      accessLog(request.method, response.headersSent ? response.statusCode : CLIENT_HAS_GONE, context);
    });
    next();
  };
}
