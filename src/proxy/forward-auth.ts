import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { GatewayError } from '../errors.ts';
import type { ForwardedRequest, OriginPolicy } from '../http/inbound/csrf.ts';
import { readForwardedRequest } from '../http/inbound/forwarded-request.ts';
import { isNavigation } from '../http/inbound/navigation.ts';
import { requestContextOf } from '../http/inbound/request-context.ts';
import type { Target } from '../http/inbound/target.ts';
import type { Identities } from './access-checks.ts';
import type { Route, Routes } from './routes.ts';
import { bringsToken } from './tokens/bearer-callers.ts';
import type { Caller } from './tokens/caller.ts';
import type { TokenResolver } from './token-resolver.ts';

/** Where a proxy proves that it may have access tokens. */
const SECRET_HEADER = 'x-forward-auth-secret';

/**
 * `GET /check`: judges a request that a proxy in front forwards by itself (`auth_request` of nginx, ForwardAuth of Traefik,
 * `forward_auth` of Caddy), by the route of its path. 200 with the identity headers, 401 with `X-Login-Url`, or 403.
 */
export function createForwardAuth(deps: {
  routes: Routes;
  originPolicy: OriginPolicy;
  tokenResolver: TokenResolver;
  identities: Identities;
  /** Whether a request comes from a proxy of `trustProxy`. */
  isFromTrustedProxy: (request: Request) => boolean;
  loginUrl: string;
}): RequestHandler {
  const { routes, originPolicy, tokenResolver, identities, isFromTrustedProxy, loginUrl } = deps;

  /** Which route judges the request, and the headers that tell the upstream of the proxy who calls. */
  const judge = async (request: Request, response: Response, target: Target, method: string | undefined) => {
    const route = routeOf(target, routes);
    const forwarded = { method: method ?? 'GET', headers: request.headers };
    checkMethod(route, method);
    checkWebSocket(forwarded, route);
    // As on the route itself.
    if (!bringsToken(route, request)) checkOrigin(forwarded, route, originPolicy);
    const context = { ...requestContextOf(response), target, route: route.config.path };
    const caller = await tokenResolver.resolve(request, route, context);
    if (caller === undefined) return [];
    const identity = await identities(route, caller);
    return [...(identity ?? []), ...authorizationOf(request, route, caller)];
  };

  return async function check(request, response) {
    // SECURITY: anybody else could choose the route, and with it the rules.
    if (!isFromTrustedProxy(request)) {
      throw new GatewayError('bad_request', {
        detail: 'This endpoint serves only proxies in trustProxy; the address of this one is not in it.',
      });
    }
    const { target, method } = readForwardedRequest(request);
    try {
      const fields = await judge(request, response, target, method);
      for (let at = 0; at + 1 < fields.length; at += 2)
        response.setHeader(fields[at] ?? '', fields[at + 1] ?? '');
      response.status(200).end();
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 401) throw error;
      if (error.code === 'session_expired') await tokenResolver.clearSessionCookie(request, response);
      const url = error.options.loginUrl ?? loginUrl;
      throw new GatewayError(error.code, {
        ...error.options,
        loginUrl: isNavigation(request) ? withReturnTo(url, target) : url,
      });
    }
  };
}

/** SECURITY: a path without a route, or one that could belong to two, is refused: the proxy asks because it protects it. */
function routeOf({ path }: Target, routes: Routes): Route {
  let route: Route | undefined;
  try {
    route = routes.match(path);
  } catch (cause) {
    throw notAllowed(
      'The path could belong to another route when it is decoded, or when its letter case or Unicode form is ignored.',
      cause,
    );
  }
  return route ?? refuse('No route covers this path.');
}

/** Without the method, any could be meant. */
function checkMethod({ methods, config }: Route, method: string | undefined): void {
  if (method !== undefined && methods.has(method)) return;
  if (method !== undefined) refuse(`The route ${config.path} does not allow this method.`);
  const isRestricted = usualMethods.some((usual) => !methods.has(usual));
  if (isRestricted)
    refuse(
      'The proxy does not send X-Forwarded-Method or X-Original-Method, and the route allows some methods only.',
    );
}

const usualMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** A browser adds this field to a WebSocket handshake, and no page can (Fetch, section 4.6). */
function isHandshake({ headers }: ForwardedRequest): boolean {
  return headers['sec-websocket-key'] !== undefined;
}

function checkWebSocket(forwarded: ForwardedRequest, { config }: Route): void {
  if (isHandshake(forwarded) && !config.websocket) refuse(`The route ${config.path} accepts no WebSockets.`);
}

function checkOrigin(forwarded: ForwardedRequest, { config }: Route, originPolicy: OriginPolicy): void {
  if (isHandshake(forwarded)) return originPolicy.checkUpgrade(forwarded);
  if (config.auth !== 'none' || config.cookies.toUpstream.length > 0) originPolicy.checkForwarded(forwarded);
}

/**
 * SECURITY: what the proxy gets here it could also get for a browser, if it passed this path on. So an access token needs a
 * secret that only the proxy has, and a bound token (RFC 9449) never leaves: its proofs are of one request to the upstream.
 */
function authorizationOf(
  { headers }: Request,
  { config }: Route,
  { accessToken, dpopKey }: Caller,
): string[] {
  const { authorizationSecret: secret } = config.forwardAuth;
  const sent = headers[SECRET_HEADER];
  if (secret === undefined || sent === undefined || dpopKey !== undefined) return [];
  if (typeof sent !== 'string' || !timingSafeEqual(digestOf(sent), digestOf(secret)))
    refuse('X-Forward-Auth-Secret is not the secret of this route.');
  return accessToken === undefined ? [] : ['Authorization', `Bearer ${accessToken}`];
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function withReturnTo(loginUrl: string, { path, query }: Target): string {
  return `${loginUrl}${loginUrl.includes('?') ? '&' : '?'}returnTo=${encodeURIComponent(path + query)}`;
}

function notAllowed(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('not_allowed', { detail, cause });
}

function refuse(detail: string): never {
  throw notAllowed(detail);
}
