import type { RequestHandler } from 'express';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { ClientAddress } from './client-address.ts';
import { createRequestId, type Exchange } from './exchange.ts';
import type { HostCheck } from './host.ts';
import { parseTarget } from './target.ts';

/** The first look at a request, the same for requests and upgrades. */
export type Guard = {
  /** Opens the exchange of a request, before anything about it has been checked. */
  open(request: IncomingMessage): Exchange;
  /** Checks a request and fills in what was checked. Throws `bad_request`, `wrong_host` or `method_not_allowed`. */
  check(request: IncomingMessage, exchange: Exchange): Exchange;
};

const unchecked = { path: '', query: '' };

export function createGuard(deps: {
  hostCheck: HostCheck;
  clientAddress: ClientAddress;
  clock: () => number;
}): Guard {
  return {
    open: (request) => ({
      requestId: createRequestId(),
      startedAtMs: deps.clock(),
      target: unchecked,
      clientAddress: deps.clientAddress(request),
      route: 'none',
    }),
    check(request, exchange) {
      // SECURITY: TRACE would send the bearer token back to the page (RFC 9110, section 9.3.8).
      if (request.method === 'TRACE' || request.method === 'CONNECT') {
        throw new GatewayError('method_not_allowed', { allow: [] });
      }
      // Node takes a request line without a version for HTTP/0.9, and goes on to read fields.
      if (request.httpVersion === '0.9') {
        throw new GatewayError('bad_request', { detail: 'The only protocol spoken here is HTTP/1.' });
      }
      const target = parseTarget(request.url);
      deps.hostCheck(request);
      return Object.assign(exchange, { target });
    },
  };
}

/** The guard as the first middleware: every later one finds its exchange in `response.locals`. */
export function createGuardMiddleware(guard: Guard): RequestHandler {
  return function checkRequest(request, response, next) {
    const exchange = guard.open(request);
    response.locals.exchange = exchange;
    guard.check(request, exchange);
    next();
  };
}
