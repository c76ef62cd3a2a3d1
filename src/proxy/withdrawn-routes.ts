import type { RouteConfig } from '../config/schema/schema.ts';
import { hasSameSettings } from '../config/same-settings.ts';
import type { Route, Routes } from './routes.ts';

/** What a WebSocket or an event stream was opened by. */
export type OpenedBy = { readonly route: RouteConfig; readonly path: string };

/** True if the routes in force would no longer permit what was opened. */
export type IsWithdrawn = (openedBy: OpenedBy) => boolean;

/**
 * Compares what is open with the routes after a reload: its route is gone, or the route of its path has stricter rules.
 * Another upstream or timeout withdraws nothing: a reload drops no connection without need.
 */
export function withdrawnBy({ match }: Pick<Routes, 'match'>): IsWithdrawn {
  return ({ route, path }) => {
    const next = routeOf(path, match);
    return next === undefined || isStricter(next, route);
  };
}

const strictness = { none: 0, optional: 1, required: 2 } as const;

function isStricter(next: RouteConfig, former: RouteConfig): boolean {
  return (
    strictness[next.auth] > strictness[former.auth] ||
    (former.websocket && !next.websocket) ||
    (former.methods.includes('GET') && !next.methods.includes('GET')) ||
    next.require.some((rule) => !former.require.some((earlier) => hasSameSettings(rule, earlier)))
  );
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
