import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { StepUpLinks } from '../sessions/step-up-links.ts';
import type { RouteLimits } from './request/rate-limits.ts';
import type { Route } from './routes.ts';
import type { Caller } from './tokens/caller.ts';
import type { RouteTokens } from './tokens/route-tokens.ts';

/** Finds what to forward a request with. */
export type TokenResolver = {
  /**
   * Returns the session and a valid token, where the route has them; undefined if the route uses none, or has optional
   * authentication and nothing for callers without a session.
   */
  resolve(request: IncomingMessage, route: Route, context: RequestContext): Promise<Caller | undefined>;
  /** Clears the session cookie of a browser whose session has ended. Call it before the response headers are sent. */
  clearSessionCookie(response: ServerResponse): void;
};

/**
 * Throws `session_required`, `session_expired`, `rate_limited`, and the errors of {@link TokenRefresher.fresh} and
 * {@link RouteTokens.of}.
 */
export function createTokenResolver(deps: {
  sessions: Sessions;
  refresher: TokenRefresher;
  routeTokens: RouteTokens;
  stepUpLinks: StepUpLinks;
  limits: RouteLimits;
}): TokenResolver {
  const { sessions, refresher, routeTokens, stepUpLinks, limits } = deps;
  const anonymous = (route: Route) =>
    route.config.token === 'user' ? undefined : routeTokens.of(route, undefined);

  return {
    async resolve(request, route, context) {
      const { config, audience } = route;
      const limit = limits(route);
      if (config.auth === 'none') {
        await limit?.client(context);
        return undefined;
      }
      const lookup = await sessions.touch(request.headers.cookie, context.clientAddress);
      if (lookup.kind === 'live') {
        const { session } = lookup;
        await limit?.session(session);
        const token =
          config.token === 'user' ? refresher.fresh(session, audience) : routeTokens.of(route, session);
        const caller = token.catch(async (error: unknown) => {
          throw await stepUpLinks.complete(error, session);
        });
        if (config.auth === 'required') return caller;
        return caller.catch((error: unknown) => {
          if (!isExpired(error)) throw error;
          return anonymous(route);
        });
      }
      await limit?.client(context);
      if (config.auth === 'optional') return anonymous(route);
      throw lookup.kind === 'absent' ? sessionRequired() : sessionExpired();
    },
    clearSessionCookie: (response) => void response.appendHeader('Set-Cookie', sessions.clearCookie()),
  };
}

function isExpired(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'session_expired';
}
