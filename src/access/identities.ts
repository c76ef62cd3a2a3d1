import type { Config, RouteConfig } from '../config/schema/schema.ts';
import type { SigningKeys } from '../crypto/signing-keys.ts';
import type { SessionView } from '../sessions/session.ts';
import { currentClaims } from './claims.ts';
import { createIdentityHeaders } from './identity-headers.ts';
import { createIdentityTokens } from './identity-tokens.ts';

/** How a route tells its upstream who calls: the header fields of a session, as a flat list of names and values. */
export type RouteIdentity = (session: SessionView) => Promise<readonly string[]>;

/** Creates the identity of each route; undefined for a route without one, so that it costs nothing. */
export function createIdentities(
  { baseUrl }: Pick<Config, 'baseUrl'>,
  deps: { keys: Pick<SigningKeys, 'sign'>; clock: () => number },
): (route: Pick<RouteConfig, 'identity'>) => RouteIdentity | undefined {
  return ({ identity: { headers, jwt } }) => {
    if (jwt === undefined && Object.keys(headers).length === 0) return undefined;
    const headersOf = createIdentityHeaders(headers);
    // By the data of a session, which stays the same object until it changes.
    const known = new WeakMap<SessionView['data'], readonly string[]>();
    const fieldsOf = ({ data }: SessionView) => {
      const cached = known.get(data);
      if (cached !== undefined) return cached;
      const fields = headersOf(currentClaims(data));
      known.set(data, fields);
      return fields;
    };
    if (jwt === undefined) return async (session) => fieldsOf(session);
    const tokenOf = createIdentityTokens(jwt, { issuer: baseUrl, ...deps });
    return async (session) => [...fieldsOf(session), jwt.header, await tokenOf(session)];
  };
}
