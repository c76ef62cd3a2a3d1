import { Router, type RequestHandler } from 'express';
import { GatewayError } from '../errors.ts';
import { requestContextOf } from '../http/inbound/request-context.ts';
import { checkUtf8 } from '../http/inbound/target.ts';
import type { SecurityHeaders } from '../http/security-headers.ts';
import type { MySessions } from './session/my-sessions.ts';

/** A handler, or a rate limit followed by a handler. */
type Handlers = RequestHandler | RequestHandler[];

/** The gateway's own endpoints. The provider's kind decides which sign-in endpoints exist. */
export type AuthHandlers = {
  /** Sign-in by redirect: `GET /login` and `GET /callback`. */
  login?: Handlers | undefined;
  callback?: Handlers | undefined;
  /** Sign-in with user name and password: `POST /login`. */
  passwordLogin?: Handlers | undefined;
  /** Sign-in on another device: `POST /decoupled` and `GET /decoupled`. */
  beginDecoupled?: Handlers | undefined;
  pollDecoupled?: Handlers | undefined;
  session: RequestHandler;
  /** Forward auth, for a proxy in front. */
  check: RequestHandler;
  extendSession: RequestHandler;
  logout: RequestHandler;
  /** The logout notifications of an OpenID provider, sent directly or through the browser. */
  backchannelLogout?: Handlers | undefined;
  frontchannelLogout?: Handlers | undefined;
  mySessions: MySessions;
  /** The public keys of the gateway. */
  jwks: RequestHandler;
};

type Methods = {
  get?: Handlers | undefined;
  post?: Handlers | undefined;
  delete?: Handlers | undefined;
};

/** Routes the gateway's own endpoints. Any other path below the prefix gets `not_found`. */
export function createAuthRouter(handlers: AuthHandlers, setHeaders: SecurityHeaders): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.use(function prepareResponse(_request, response, next) {
    const context = requestContextOf(response);
    context.route = 'auth';
    setHeaders(response);
    response.setHeader('X-Request-Id', context.requestId);
    checkUtf8(context.target.path);
    next();
  });
  const serve = (path: string, { get, post, delete: remove }: Methods) => {
    const allow = [...(get ? ['GET', 'HEAD'] : []), ...(post ? ['POST'] : []), ...(remove ? ['DELETE'] : [])];
    if (allow.length === 0) return;
    const route = router.route(path);
    if (get) route.get(get);
    if (post) route.post(post);
    if (remove) route.delete(remove);
    route.all(rejectMethod(allow));
  };
  serve('/login', { get: handlers.login, post: handlers.passwordLogin });
  serve('/callback', { get: handlers.callback });
  serve('/decoupled', { get: handlers.pollDecoupled, post: handlers.beginDecoupled });
  serve('/session', { get: handlers.session });
  serve('/check', { get: handlers.check });
  serve('/session/extend', { post: handlers.extendSession });
  serve('/logout', { post: handlers.logout });
  serve('/backchannel-logout', { post: handlers.backchannelLogout });
  serve('/frontchannel-logout', { get: handlers.frontchannelLogout });
  serve('/sessions', { get: handlers.mySessions.list, delete: handlers.mySessions.endOthers });
  serve('/sessions/:id', { delete: handlers.mySessions.endOne });
  serve('/jwks.json', { get: handlers.jwks });
  router.use(function unknownEndpoint() {
    throw new GatewayError('not_found', { detail: 'This endpoint does not exist.' });
  });
  return router;
}

function rejectMethod(allow: readonly string[]): RequestHandler {
  return function methodNotAllowed() {
    throw new GatewayError('method_not_allowed', {
      detail: `This endpoint accepts ${allow.join(', ')}.`,
      allow,
    });
  };
}
