import type { ConfigIssue, IsValid } from '../../diagnostics/issue.ts';
import type { ProviderSectionKind } from '../provider-section.ts';
import type { Config } from '../sections.ts';

type RouteConfig = Config['routes'][number];

/** The rules between `token`, `exchange` and the other keys of each route. */
export function* routeTokenRules(
  { routes, provider }: Config,
  { isValid, kind }: { isValid: IsValid; kind: ProviderSectionKind | undefined },
): Iterable<ConfigIssue> {
  // For an index that no route has, `isValid` tells whether the list itself is valid.
  if (!isValid('routes', -1)) return;
  for (const [index, route] of routes.entries()) {
    const isValidKey: IsValid = (...path) => isValid('routes', index, ...path);
    if (!isValidKey('token')) continue;
    const issues = [
      ...tokenIssues(route, isValidKey, kind),
      ...exchangeIssues(route, isValidKey),
      ...bearerIssues(route, isValidKey, isValid('provider') ? clientIdOf(provider) : undefined),
    ];
    if (isFromProvider(route) && isValid('provider') && isPublic(provider)) {
      const message = 'a client without credentials cannot ask for tokens of its own';
      issues.push({ path: ['token'], message });
    }
    for (const { path, message } of issues) yield { path: ['routes', index, ...path], message };
  }
}

function* tokenIssues(
  route: RouteConfig,
  isValid: IsValid,
  kind: ProviderSectionKind | undefined,
): Iterable<ConfigIssue> {
  const { token } = route;
  if (isFromProvider(route) && isValid('auth') && route.auth === 'none') {
    yield { path: ['token'], message: 'auth none sends no token, ever; use auth optional, or remove it' };
  }
  if (isFromProvider(route) && kind?.accessTokens === 'one') {
    yield { path: ['token'], message: `a provider of type ${kind.type} issues no token but the user's` };
  }
  if (token !== 'none') return;
  for (const key of ['scopes', 'resource'] as const) {
    if (!isValid(key) || route[key].length === 0) continue;
    yield { path: [key], message: 'token none sends no access token; remove it' };
  }
}

function* exchangeIssues({ token, exchange }: RouteConfig, isValid: IsValid): Iterable<ConfigIssue> {
  if (!isValid('exchange')) return;
  const { audience, scopes, resource, tokenType, actor } = exchange;
  const given = {
    audience: audience !== undefined,
    scopes: scopes.length > 0,
    resource: resource.length > 0,
    tokenType: tokenType !== undefined,
    actor: actor !== 'none',
  };
  if (token === 'exchange' && !given.audience && !given.scopes && !given.resource) {
    const message = 'token exchange requires an audience, scopes or a resource in it';
    yield { path: ['exchange'], message };
  }
  if (token === 'exchange') return;
  for (const [key, isGiven] of Object.entries(given)) {
    if (!isGiven || (token === 'client' && key === 'audience')) continue;
    yield { path: ['exchange', key], message: `token ${token} does not use it; remove it` };
  }
}

function* bearerIssues(
  { auth, token, bearer }: RouteConfig,
  isValid: IsValid,
  clientId: unknown,
): Iterable<ConfigIssue> {
  if (!isValid('bearer') || !isValid('auth')) return;
  const { issuers, audience } = bearer;
  if (issuers.length === 0 && audience === undefined) return;
  if (issuers.length === 0) yield { path: ['bearer', 'issuers'], message: 'expected at least one issuer' };
  if (audience === undefined)
    yield { path: ['bearer', 'audience'], message: 'missing; tokens for other APIs must not pass' };
  if (audience !== undefined && audience === clientId) {
    const message = 'expected another audience than provider.clientId, which ID tokens have';
    yield { path: ['bearer', 'audience'], message };
  }
  if (auth === 'none') yield { path: ['bearer'], message: 'auth none checks no token, ever; remove it' };
  if (token === 'exchange') {
    const message = 'not possible with token exchange, which needs a session to keep the token in';
    yield { path: ['bearer'], message };
  }
}

function clientIdOf(provider: Config['provider']): unknown {
  return 'clientId' in provider ? provider.clientId : undefined;
}

/** True when the provider issues a token for the route alone. */
function isFromProvider({ token }: RouteConfig): boolean {
  return token === 'client' || token === 'exchange';
}

function isPublic(provider: Config['provider']): boolean {
  return 'clientAuthentication' in provider && provider.clientAuthentication === 'none';
}
