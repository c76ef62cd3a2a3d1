import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Credential } from '../refresh/credential.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { StepUpLinks } from '../sessions/step-up-links.ts';
import type { RouteLimits } from './request/rate-limits.ts';
import type { Route } from './routes.ts';

/** Finds the access token to forward with a request. */
export type TokenResolver = {
  /** Returns a valid token, or undefined if the route uses none or has optional authentication and there is no session. */
  resolve(request: IncomingMessage, route: Route, context: RequestContext): Promise<Credential | undefined>;
  /** Clears the session cookie of a browser whose session has ended. Call it before the response headers are sent. */
  clearSessionCookie(response: ServerResponse): void;
};

/** Throws `session_required`, `session_expired`, `rate_limited`, and the errors of {@link TokenRefresher.fresh}. */
export function createTokenResolver(deps: {
  sessions: Sessions;
  refresher: TokenRefresher;
  stepUpLinks: StepUpLinks;
  limits: RouteLimits;
}): TokenResolver {
  const { sessions, refresher, stepUpLinks, limits } = deps;
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
        const credential = refresher.fresh(session, audience).catch(async (error: unknown) => {
          throw await stepUpLinks.complete(error, session);
        });
        return config.auth === 'required' ? credential : credential.catch(anonymousWhenExpired);
      }
      await limit?.client(context);
      if (config.auth === 'optional') return undefined;
      throw lookup.kind === 'absent' ? sessionRequired() : sessionExpired();
    },
    clearSessionCookie: (response) => void response.appendHeader('Set-Cookie', sessions.clearCookie()),
  };
}

function anonymousWhenExpired(error: unknown): undefined {
  if (error instanceof GatewayError && error.code === 'session_expired') return undefined;
  throw error;
}
