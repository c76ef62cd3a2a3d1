import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Logger } from '../observability/log.ts';
import type { StepUpLinks } from '../sessions/step-up-links.ts';
import type { Identities } from './access-checks.ts';
import type { TokenResolver } from './token-resolver.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { SessionBoundResponses } from './response/session-bound.ts';
import type { Forwarder } from './forwarding/forwarder.ts';
import { openRequestBody } from './request/body.ts';
import { requireUpstream, type Route, type Routes } from './routes.ts';
import { bringsToken } from './tokens/bearer-callers.ts';
import type { Caller } from './tokens/caller.ts';
import { explainUpstreamFailure } from './upstream/errors.ts';

/** Serves a request of an API route; undefined for any other request. */
export type Api = (
  request: IncomingMessage,
  response: ServerResponse,
  context: RequestContext,
) => Promise<void> | undefined;

/**
 * The API routes. A request is checked without I/O first, so that a hostile one costs no read of the store; then its session
 * and token are found, and it is forwarded.
 */
export function createApi(deps: {
  routes: Routes;
  originPolicy: OriginPolicy;
  tokenResolver: TokenResolver;
  concurrencyLimit: ConcurrencyLimit;
  identities: Identities;
  forwarder: Forwarder;
  sessionBound: SessionBoundResponses;
  stepUpLinks: StepUpLinks;
  log: Logger;
}): Api {
  const {
    routes,
    originPolicy,
    tokenResolver,
    concurrencyLimit,
    identities,
    forwarder,
    sessionBound,
    stepUpLinks,
    log,
  } = deps;

  return (request, response, context) => {
    const route = routes.match(context.target.path);
    return route && serve(request, response, context, route);
  };

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    context: RequestContext,
    route: Route,
  ): Promise<void> {
    context.route = route.config.path;
    requireUpstream(route);
    checkMethod(request, route);
    checkDestination(request);
    // A route that gets no credential of the browser has nothing that another site could misuse.
    // Neither has one with a token of its own: a page of another site cannot add `Authorization` without a preflight.
    const isWithoutCredential = route.config.auth === 'none' && route.config.cookies.toUpstream.length === 0;
    if (!isWithoutCredential && !bringsToken(route, request)) originPolicy.checkRequest(request);

    let leaveLimit: (() => void) | undefined;
    let unfollow: (() => void) | undefined;
    let caller: Caller | undefined;
    let isForwarded = false;
    try {
      caller = await tokenResolver.resolve(request, route, context);
      leaveLimit = concurrencyLimit.enter(route, caller, context);
      const body = await openRequestBody(request, response, {
        maxBytes: route.config.maxBody,
        replayBytes: route.config.replayBody,
        idleMs: route.config.timeout.idle,
      });
      const identifying = identities(route, caller);
      const identity = identifying && (await identifying);
      if (caller?.session !== undefined) unfollow = sessionBound.follow(response, caller.session);
      isForwarded = true;
      await forwarder.forward({ request, response, context, route, identity, body }, caller);
    } catch (error) {
      // Before the request is forwarded, no failure is the upstream's.
      const failure = isForwarded ? explainUpstreamFailure(error) : error;
      if (response.headersSent) {
        log.warn(
          { requestId: context.requestId, err: failure },
          'response aborted after its headers were sent',
        );
        return;
      }
      if (hasGone(request, response)) return;
      if (failure instanceof GatewayError && failure.code === 'session_expired')
        await tokenResolver.clearSessionCookie(request, response);
      throw caller?.session === undefined ? failure : await stepUpLinks.complete(failure, caller.session);
    } finally {
      unfollow?.();
      leaveLimit?.();
    }
  }
}

function checkMethod({ method = '' }: IncomingMessage, route: Route): void {
  if (route.methods.has(method)) return;
  throw new GatewayError('method_not_allowed', { allow: route.config.methods });
}

/** SECURITY: a service worker from an API could intercept every request of the app. */
function checkDestination({ headers }: IncomingMessage): void {
  if (headers['service-worker'] === undefined) return;
  throw new GatewayError('csrf_rejected', { detail: 'API routes do not serve service workers.' });
}

/** True once the client has disconnected; the response learns of it last. */
function hasGone(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || request.socket.destroyed;
}
