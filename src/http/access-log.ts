import type { RequestHandler } from 'express';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RequestContext } from './inbound/request-context.ts';

/** Counts and logs a request once its answer is over. No query string, header or body is in the line. */
export type AccessLog = (method: string | undefined, status: number, exchange: RequestContext) => void;

export function createAccessLog(deps: { log: Logger; metrics: Metrics; clock: () => number }): AccessLog {
  const { log, metrics, clock } = deps;
  return (method = '', status, exchange) => {
    const durationMs = clock() - exchange.startedAtMs;
    metrics.request(exchange.route, method, status, durationMs / 1000);
    const { requestId, route, target, clientAddress } = exchange;
    log.info({ requestId, method, path: target.path, route, status, durationMs, clientAddress }, 'request');
  };
}

/** What nginx made the usual status of a request whose connection ended before its answer began. */
const CLIENT_HAS_GONE = 499;

/** Watches every request from the start, so that also those the guard refuses are counted. */
export function createAccessLogMiddleware(accessLog: AccessLog): RequestHandler {
  return function logRequest(request, response, next) {
    response.once('close', () => {
      const { exchange } = response.locals;
      if (exchange === undefined) return;
      accessLog(request.method, response.headersSent ? response.statusCode : CLIENT_HAS_GONE, exchange);
    });
    next();
  };
}
