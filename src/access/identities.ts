import type { Config, RouteConfig } from '../config/schema/schema.ts';
import type { SigningKeys } from '../crypto/signing-keys.ts';
import type { IdentitySource } from '../sessions/session.ts';
import { currentClaims } from './claims.ts';
import { createIdentityHeaders } from './identity-headers.ts';
import { createIdentityTokens } from './identity-tokens.ts';

/** How a route tells its upstream who calls: the header fields, as a flat list of names and values. */
export type RouteIdentity = (source: IdentitySource) => Promise<readonly string[]>;

/** Creates the identity of each route; undefined for a route without one, so that it costs nothing. */
export function createIdentities(
  { baseUrl }: Pick<Config, 'baseUrl'>,
  deps: { keys: Pick<SigningKeys, 'sign'>; clock: () => number },
): (route: Pick<RouteConfig, 'identity'>) => RouteIdentity | undefined {
  return ({ identity: { headers, jwt } }) => {
    if (jwt === undefined && Object.keys(headers).length === 0) return undefined;
    const headersOf = createIdentityHeaders(headers);
    // By the data of a session, which stays the same object until it changes.
    const known = new WeakMap<IdentitySource['data'], readonly string[]>();
    const fieldsOf = ({ data }: IdentitySource) => {
      const cached = known.get(data);
      if (cached !== undefined) return cached;
      const fields = headersOf(currentClaims(data));
      known.set(data, fields);
      return fields;
    };
    if (jwt === undefined) return async (source) => fieldsOf(source);
    const tokenOf = createIdentityTokens(jwt, { issuer: baseUrl, ...deps });
    return async (source) => [...fieldsOf(source), jwt.header, await tokenOf(source)];
  };
}
