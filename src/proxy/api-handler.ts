import type { Request, RequestHandler, Response } from 'express';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { requestContextOf } from '../http/inbound/request-context.ts';
import type { Logger } from '../observability/log.ts';
import type { TokenResolver } from './token-resolver.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { SessionBoundResponses } from './response/session-bound.ts';
import type { Forwarders } from './upstream/forwarder.ts';
import { openRequestBody } from './request/body.ts';
import type { Route, Routes } from './routes.ts';
import { explainUpstreamFailure } from './upstream/errors.ts';

/**
 * The API routes. A request is checked without I/O first, so that a hostile one costs no read of the store; then its
 * session and token are found, and it passes to the upstream and back.
 */
export function createApi(deps: {
  routes: Routes;
  originPolicy: OriginPolicy;
  bearers: TokenResolver;
  crowds: ConcurrencyLimit;
  passages: Forwarders;
  longAnswers: SessionBoundResponses;
  log: Logger;
}): RequestHandler {
  const { routes, originPolicy, bearers, crowds, passages, longAnswers, log } = deps;

  return async function api(request, response, next) {
    const exchange = requestContextOf(response);
    const route = routes.match(exchange.target.path);
    if (route === undefined) return next();
    exchange.route = route.config.path;
    checkMethod(request, route);
    checkDestination(request);
    // A route that never gets a credential of the browser's has nothing that another site could misuse.
    if (route.config.auth !== 'none' || route.config.cookies.toUpstream.length > 0)
      originPolicy.checkRequest(request);

    let leave: (() => void) | undefined;
    let passage: Promise<void> | undefined;
    try {
      const credential = await bearers.resolve(request, route, exchange);
      leave = crowds.enter(route, credential, exchange);
      const body = await openRequestBody(request, response, {
        maxBytes: route.config.maxBody,
        replayBytes: route.config.replayBody,
        idleMs: route.config.timeout.idle,
      });
      passage = passages.open({ request, response, exchange, route, body }, credential);
      await (credential === undefined ? passage : longAnswers.follow(passage, response, credential.session));
    } catch (error) {
      // Until it is on its way, nothing that fails is the upstream's.
      const failure = passage === undefined ? error : explainUpstreamFailure(error);
      if (response.headersSent) {
        log.warn(
          { requestId: exchange.requestId, err: failure },
          'response aborted after its headers were sent',
        );
        return;
      }
      if (hasGone(request, response)) return;
      if (failure instanceof GatewayError && failure.code === 'session_expired')
        bearers.clearSessionCookie(response);
      throw failure;
    } finally {
      leave?.();
    }
  };
}

function checkMethod(request: Request, route: Route): void {
  if (route.methods.has(request.method)) return;
  throw new GatewayError('method_not_allowed', { allow: route.config.methods });
}

/** SECURITY: a service worker from an API would stand between the app and everything it asks for. */
function checkDestination({ headers }: Request): void {
  if (headers['service-worker'] === undefined) return;
  throw new GatewayError('csrf_rejected', { detail: 'API routes do not serve service workers.' });
}

/** Whose connection has ended can be answered no more; the response hears of it last. */
function hasGone(request: Request, response: Response): boolean {
  return response.destroyed || request.socket.destroyed;
}
