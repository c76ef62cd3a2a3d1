import type { SessionView } from '../sessions/session.ts';
import type { Route } from './routes.ts';
import type { Caller } from './tokens/caller.ts';

/** The rules of a route; undefined for a route without any. */
export type AccessChecks = (route: Route) => RouteAccess | undefined;

/** Both throw `not_allowed`: when a session does not meet a rule, or the claims of a caller's own access token. */
export type RouteAccess = {
  check(session: SessionView): void;
  checkToken(claims: Readonly<Record<string, unknown>>): void;
};

/**
 * The header fields that tell the upstream of a route who calls, as a flat list of names and values; undefined for a route that
 * tells nothing, and for an anonymous caller.
 */
export type Identities = (route: Route, caller: Caller | undefined) => Promise<readonly string[]> | undefined;
