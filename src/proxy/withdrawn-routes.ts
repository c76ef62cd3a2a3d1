import type { RouteConfig } from '../config/schema/schema.ts';
import { hasSameSettings } from '../config/same-settings.ts';
import type { Route, Routes } from './routes.ts';

/** What a WebSocket or an event stream was opened by. */
export type OpenedBy = {
  readonly route: RouteConfig;
  readonly path: string;
  /** The issuer of the access token that the caller brought. */
  readonly tokenIssuer?: string | undefined;
};

/** True if the routes in force would no longer permit what was opened. */
export type IsWithdrawn = (openedBy: OpenedBy) => boolean;

/**
 * Compares what is open with the routes after a reload: its route is gone, or the route of its path has stricter rules, or
 * `login.require` has.
 * Another upstream or timeout withdraws nothing: a reload drops no connection without need.
 */
export function withdrawnBy(
  { all, match }: Routes,
  /** True when everything that former routes opened for a user must be opened again. */
  { hasStricterSignIn }: { hasStricterSignIn: boolean },
): IsWithdrawn {
  const current = new Set(all.map(({ config }) => config));
  return ({ route, path, tokenIssuer }) => {
    const next = routeOf(path, match);
    if (next === undefined || isStricter(next, route)) return true;
    if (tokenIssuer !== undefined && !acceptsToken(next, route, tokenIssuer)) return true;
    return hasStricterSignIn && next.auth !== 'none' && !current.has(route);
  };
}

/** True if a list of rules has one that the former list lacks. */
export function addsRules(next: RouteConfig['require'], former: RouteConfig['require']): boolean {
  return next.some((rule) => !former.some((earlier) => hasSameSettings(rule, earlier)));
}

const strictness = { none: 0, optional: 1, required: 2 } as const;

function isStricter(next: RouteConfig, former: RouteConfig): boolean {
  return (
    strictness[next.auth] > strictness[former.auth] ||
    (former.websocket && !next.websocket) ||
    (former.methods.includes('GET') && !next.methods.includes('GET')) ||
    addsRules(next.require, former.require)
  );
}

/** True if the route still accepts the token that the former one has accepted. */
function acceptsToken({ bearer }: RouteConfig, former: RouteConfig, issuer: string): boolean {
  return bearer.issuers.includes(issuer) && bearer.audience === former.bearer.audience;
}

function routeOf(path: string, match: Routes['match']): RouteConfig | undefined {
  let route: Route | undefined;
  try {
    route = match(path);
  } catch {
    // The path has become ambiguous between two routes.
  }
  return route?.config;
}
