import type { Config } from './schema/schema.ts';

/** What `login.requestRouteScopes` adds to every sign-in. */
export type RouteScopes = { readonly scopes: readonly string[]; readonly resources: readonly string[] };

/** The scopes and resources of all routes that send or exchange the user's own token; none unless `login.requestRouteScopes` is true. */
export function routeScopesOf({ login, routes }: Pick<Config, 'login' | 'routes'>): RouteScopes {
  const usesOwnToken = ({ token }: Config['routes'][number]) => token === 'user' || token === 'exchange';
  const own = login.requestRouteScopes ? routes.filter(usesOwnToken) : [];
  return {
    scopes: [...new Set(own.flatMap(({ scopes }) => scopes))],
    resources: [...new Set(own.flatMap(({ resource }) => resource))],
  };
}
