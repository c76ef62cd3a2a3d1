import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RouteConfig } from '../config/schema/schema.ts';
import { GatewayError } from '../errors.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { StepUpLinks } from '../sessions/step-up-links.ts';
import type { AccessChecks } from './access-checks.ts';
import type { RouteLimits } from './request/rate-limits.ts';
import type { Route } from './routes.ts';
import type { Caller } from './tokens/caller.ts';
import { bringsToken, type BearerCallers } from './tokens/bearer-callers.ts';
import type { RouteTokens } from './tokens/route-tokens.ts';

/** Finds what to forward a request with. */
export type TokenResolver = {
  /**
   * Returns the session and a valid token, where the route has them; undefined if the route uses none, or has optional
   * authentication and nothing for callers without a session.
   */
  resolve(request: IncomingMessage, route: Route, context: RequestContext): Promise<Caller | undefined>;
  /** Clears the cookie of a request whose session has ended. Call it before the response headers are sent. */
  clearSessionCookie(request: IncomingMessage, response: ServerResponse): Promise<void>;
};

/**
 * Throws `session_required`, `session_expired`, `rate_limited`, `not_allowed`, and the errors of
 * {@link TokenRefresher.fresh} and {@link RouteTokens.of}.
 */
export function createTokenResolver(deps: {
  sessions: Sessions;
  refresher: TokenRefresher;
  routeTokens: RouteTokens;
  bearerCallers: BearerCallers;
  stepUpLinks: StepUpLinks;
  limits: RouteLimits;
  accessChecks: AccessChecks;
}): TokenResolver {
  const { sessions, refresher, routeTokens, bearerCallers, stepUpLinks, limits, accessChecks } = deps;
  const anonymous = (route: Route) =>
    route.config.token === 'user' ? undefined : routeTokens.of(route, undefined);

  /** A caller with a token of its own: that is sent, or what the route has instead. */
  const resolveBearer = async (request: IncomingMessage, route: Route, context: RequestContext) => {
    const { claims, ...caller } = await bearerCallers.admit(request, route, context);
    await limits(route)?.caller(caller.name);
    accessChecks(route)?.checkToken(claims);
    if (route.config.token === 'user') return caller;
    const { accessToken, dpopKey, renewal } = (await routeTokens.of(route, undefined)) ?? {};
    return { ...caller, accessToken, dpopKey, renewal };
  };

  return {
    async resolve(request, route, context) {
      const { config, audience } = route;
      if (bringsToken(route, request)) return resolveBearer(request, route, context);
      const limit = limits(route);
      if (config.auth === 'none') {
        await limit?.client(context);
        return undefined;
      }
      const { cookie } = request.headers;
      // Most requests wait for nothing: each `await` costs more than the lookup.
      const lookup = sessions.touchInMemory(cookie) ?? (await sessions.touch(cookie, context.clientAddress));
      if (lookup.kind === 'live') {
        const { session } = lookup;
        if (limit !== undefined) await limit.session(session);
        try {
          const caller =
            config.token === 'user'
              ? (refresher.usable(session, audience) ?? (await refresher.fresh(session, audience)))
              : await routeTokens.of(route, session);
          // After a refresh, which may have changed the claims.
          accessChecks(route)?.check(caller?.session ?? session);
          return caller;
        } catch (error) {
          if (mayBeAnonymous(config) && isExpired(error)) return anonymous(route);
          throw await stepUpLinks.complete(error, session);
        }
      }
      await limit?.client(context);
      if (mayBeAnonymous(config)) return anonymous(route);
      throw lookup.kind === 'absent' ? sessionRequired() : sessionExpired();
    },
    async clearSessionCookie({ headers }, response) {
      const lines = await sessions.clearEndedCookie(headers.cookie);
      if (!response.headersSent) response.appendHeader('Set-Cookie', lines);
    },
  };
}

/** SECURITY: rules would protect nothing if a browser could leave its cookie out. */
function mayBeAnonymous({ auth, require }: RouteConfig): boolean {
  return auth === 'optional' && require.length === 0;
}

function isExpired(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'session_expired';
}
