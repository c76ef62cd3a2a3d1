import { clientNetwork } from '../../http/inbound/client-network.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { RateLimits } from '../../http/rate-limit/rate-limit.ts';
import type { SessionView } from '../../sessions/session.ts';
import type { Route } from '../routes.ts';

/** The limit of one route. Both throw `rate_limited`. */
export type RouteLimit = {
  /** Counts a request of a session. */
  session(session: SessionView): Promise<void>;
  /** Counts a request of a caller with a token of its own, by its name. */
  caller(name: string | undefined): Promise<void>;
  /** Counts a request without a session, by client address. */
  client(context: RequestContext): Promise<void>;
};

/** Finds the limit of a route, if it has one. */
export type RouteLimits = (route: Route) => RouteLimit | undefined;

/** Limits on the routes that ask for one. */
export function createRouteLimits(routes: readonly Route[], rateLimits: RateLimits): RouteLimits {
  const limits = new Map(
    routes
      .filter(({ config }) => config.maxPerMinute > 0)
      .map((route) => [route, createLimit(route, rateLimits)]),
  );
  return (route) => limits.get(route);
}

function createLimit({ config }: Route, rateLimits: RateLimits): RouteLimit {
  const limit = rateLimits.eventual(`route:${config.path}`, config.maxPerMinute);
  return {
    caller: (name = '') => limit(`caller ${name}`),
    session: ({ key }) => limit(`session ${key}`),
    client: ({ clientAddress }) => limit(`client ${clientNetwork(clientAddress)}`),
  };
}
