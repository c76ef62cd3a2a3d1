import { Router, type RequestHandler } from 'express';
import { GatewayError } from '../errors.ts';
import { exchangeOf } from '../http/exchange.ts';
import type { SecurityHeaders } from '../http/security-headers.ts';

/** The gateway's own endpoints, one handler a path. */
export type AuthHandlers = {
  login: RequestHandler;
  callback: RequestHandler;
  session: RequestHandler;
  logout: RequestHandler;
};

/** Routes the gateway's own endpoints below their prefix; everything else there is `not_found`. */
export function createAuthRouter(handlers: AuthHandlers, headers: SecurityHeaders): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.use(function enterEndpoints(request, response, next) {
    const exchange = exchangeOf(response);
    exchange.route = 'auth';
    headers(request, response);
    response.setHeader('X-Request-Id', exchange.requestId);
    next();
  });
  const read = (path: string, handler: RequestHandler) =>
    router
      .route(path)
      .get(handler)
      .all(refuseMethod(['GET', 'HEAD']));
  read('/login', handlers.login);
  read('/callback', handlers.callback);
  read('/session', handlers.session);
  router
    .route('/logout')
    .post(handlers.logout)
    .all(refuseMethod(['POST']));
  router.use(function unknownEndpoint() {
    throw new GatewayError('not_found', { detail: 'The gateway has no such endpoint.' });
  });
  return router;
}

function refuseMethod(allow: readonly string[]): RequestHandler {
  return function methodNotAllowed() {
    throw new GatewayError('method_not_allowed', { allow });
  };
}
