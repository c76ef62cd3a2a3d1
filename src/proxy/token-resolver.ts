import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Credential } from '../refresh/refresh-result.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { RouteLimits } from './request/rate-limits.ts';
import type { Route } from './routes.ts';

/** Finds the access token that a request to a route goes out with. */
export type TokenResolver = {
  /** Gives a token that may be sent now, or undefined where the route wants none or allows to go without. */
  resolve(request: IncomingMessage, route: Route, context: RequestContext): Promise<Credential | undefined>;
  /** Clears the cookie of a browser whose session has ended; call it before the response starts. */
  clearSessionCookie(response: ServerResponse): void;
};

/** Throws `session_required`, `session_expired`, `rate_limited`, or what {@link TokenRefresher.fresh} throws. */
export function createTokenResolver(deps: {
  sessions: Sessions;
  refresher: TokenRefresher;
  limits: RouteLimits;
}): TokenResolver {
  const { sessions, refresher, limits } = deps;
  return {
    async resolve(request, route, context) {
      const { config, audience } = route;
      const limit = limits(route);
      if (config.auth === 'none') {
        await limit?.client(context);
        return undefined;
      }
      const reading = await sessions.touch(request.headers.cookie);
      if (reading.kind === 'live') {
        await limit?.session(reading.session);
        if (config.auth === 'required') return refresher.fresh(reading.session, audience);
        return refresher.fresh(reading.session, audience).catch(anonymousWhenExpired);
      }
      await limit?.client(context);
      if (config.auth === 'optional') return undefined;
      throw reading.kind === 'absent' ? sessionRequired() : sessionExpired();
    },
    clearSessionCookie: (response) => void response.appendHeader('Set-Cookie', sessions.clearCookie()),
  };
}

function anonymousWhenExpired(error: unknown): undefined {
  if (error instanceof GatewayError && error.code === 'session_expired') return undefined;
  throw error;
}
