import type { Finding, KeyPath } from '../diagnostics/finding.ts';
import type { Config, IsValid } from './rules.ts';

/** Where URLs of a provider of any kind stand. */
const urlPlaces: readonly KeyPath[] = [
  ['issuer'],
  ['logoutUrl'],
  ['authorizationEndpoint'],
  ['tokenEndpoint'],
  ['decoupledEndpoint'],
  ['decoupledTokenEndpoint'],
  ['revocationEndpoint'],
  ['userinfoEndpoint'],
  ['login', 'url'],
  ['refresh', 'url'],
];

/** The URLs of a provider that were read without a problem. */
export function* providerUrls(
  { provider }: Config,
  sound: IsValid,
): Iterable<{ path: KeyPath; url: string }> {
  // Of a type that is unknown no key was read.
  if (!sound('provider', 'type')) return;
  for (const place of urlPlaces) {
    const path = ['provider', ...place];
    if (!sound(...path)) continue;
    const url = place.reduce<unknown>((value, key) => Object(value)[key], provider);
    if (typeof url === 'string') yield { path, url };
  }
}

/** An OAuth 2.0 server has the endpoints that its way of signing in needs, and says where the subject is. */
export function* oauth2Endpoints({ provider }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('provider', 'type') || provider.type !== 'oauth2') return;
  const isMissing = (key: keyof typeof provider) => sound('provider', key) && provider[key] === undefined;
  const missing = (key: string, why: string): Finding => ({
    path: ['provider', key],
    message: `missing or empty; ${why}`,
  });
  const redirect = ['authorizationEndpoint', 'tokenEndpoint'] as const;
  const decoupled = ['decoupledEndpoint', 'decoupledTokenEndpoint'] as const;

  if (sound('provider', 'login')) {
    const isDecoupled = provider.login === 'decoupled';
    for (const key of isDecoupled ? decoupled : redirect)
      if (isMissing(key)) yield missing(key, `provider.login ${provider.login} requires it`);
    for (const key of isDecoupled ? [] : decoupled) {
      if (!sound('provider', key) || provider[key] === undefined) continue;
      const message =
        'provider.login redirect does not use it; remove it, or set provider.login to decoupled';
      yield { path: ['provider', key], message };
    }
    // Beside the other device there may be the redirect; then it is there as a whole.
    const [one, other] = redirect;
    if (isDecoupled && isMissing(one) !== isMissing(other)) {
      const key = isMissing(one) ? one : other;
      yield missing(key, `signing in by redirect requires both ${redirect.join(' and ')}, or neither`);
    }
  }
  if (isMissing('subject') && isMissing('userinfoEndpoint'))
    yield missing(
      'subject',
      'without provider.userinfoEndpoint it must point to the subject in the token response',
    );
}

/** A vendor's own endpoints know neither scopes nor resources: there is one access token for all routes. */
export function* oneTokenOfVendors({ provider, routes }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('provider', 'type') || provider.type !== 'credentials' || !sound('routes', -1)) return;
  for (const [index, route] of routes.entries()) {
    for (const key of ['scopes', 'resource'] as const) {
      if (!sound('routes', index, key) || route[key].length === 0) continue;
      const message = 'a provider of type credentials issues one access token for all routes; remove it';
      yield { path: ['routes', index, key], message };
    }
  }
}
