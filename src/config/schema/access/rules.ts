import type { ConfigIssue, IsValid } from '../../diagnostics/issue.ts';
import type { Config } from '../sections.ts';

type RouteConfig = Config['routes'][number];

/** The rules between the keys of a route that concern the claims of a session; paths are those within the route. */
export function* routeAccessRules(
  route: RouteConfig,
  { canSign, hasBoundTokens }: { canSign: boolean; hasBoundTokens: boolean },
  isValid: IsValid,
): Iterable<ConfigIssue> {
  if (!isValid('auth')) return;
  if (isValid('require') && route.auth === 'none' && route.require.length > 0) {
    const message = 'a route with auth: none has no session whose claims could be judged; remove it';
    yield { path: ['require'], message };
  }
  if (isValid('forwardAuth') && route.forwardAuth.authorizationSecret !== undefined && hasBoundTokens) {
    const message =
      'access tokens that are bound to a key (provider.dpop) cannot be given to a proxy; remove it';
    yield { path: ['forwardAuth', 'authorizationSecret'], message };
  }
  if (!isValid('identity')) return;
  const fields = identityFields(route);
  if (route.auth === 'none' && fields.length > 0)
    yield { path: ['identity'], message: 'a route with auth: none has no session to tell about; remove it' };
  if (route.identity.jwt !== undefined && !canSign)
    yield { path: ['identity', 'jwt'], message: 'expected a key in keys, which signs it' };
  const taken = new Set(isValid('requestHeaders', 'set') ? Object.keys(route.requestHeaders.set) : []);
  for (const { name, path } of fields) {
    if (taken.has(name.toLowerCase())) yield { path, message: 'another key of this route sets this field' };
    taken.add(name.toLowerCase());
  }
}

function identityFields({ identity: { headers, jwt } }: RouteConfig) {
  return [
    ...Object.keys(headers).map((name) => ({ name, path: ['identity', 'headers', name] })),
    ...(jwt === undefined ? [] : [{ name: jwt.header, path: ['identity', 'jwt', 'header'] }]),
  ];
}
