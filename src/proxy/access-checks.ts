import type { SessionView } from '../sessions/session.ts';
import type { Route } from './routes.ts';

/** The rules of a route; undefined for a route without any. */
export type AccessChecks = (route: Route) => RouteAccess | undefined;

/** Throws `not_allowed` when the current claims or scopes of a session do not meet a rule. */
export type RouteAccess = { check(session: SessionView): void };

/** How a route tells its upstream who calls; undefined for a route that does not. */
export type Identities = (route: Route) => RouteIdentity | undefined;

/** The header fields that tell who calls, as a flat list of names and values. */
export type RouteIdentity = (session: SessionView) => Promise<readonly string[]>;
