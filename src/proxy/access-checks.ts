import type { SessionView } from '../sessions/session.ts';
import type { Route } from './routes.ts';

/** The rules of a route; undefined for a route without any. */
export type AccessChecks = (route: Route) => RouteAccess | undefined;

/** Both throw `not_allowed`: when a session does not meet a rule, or the claims of a caller's own access token. */
export type RouteAccess = {
  check(session: SessionView): void;
  checkToken(claims: Readonly<Record<string, unknown>>): void;
};

/** How a route tells its upstream who calls; undefined for a route that does not. */
export type Identities = (route: Route) => RouteIdentity | undefined;

/** The header fields that tell who calls, as a flat list of names and values. */
export type RouteIdentity = (session: SessionView) => Promise<readonly string[]>;
