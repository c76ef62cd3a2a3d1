import type { z } from 'zod';
import type { ConfigIssue, IsValid } from '../diagnostics/issue.ts';
import type { KeyPath } from '../diagnostics/key-path.ts';
import { formatListenAddress } from '../values/address.ts';
import { foldPath, isUnder } from '../values/path.ts';
import { isInsecure } from '../values/url.ts';
import type { DeclaredKey } from './declaration/declared-keys.ts';
import type { ConfiguredSigningKey, ProviderSectionKind } from './provider-section.ts';
import { routeAccessRules } from './access/rules.ts';
import { redisAccessRules } from './redis-rules.ts';
import type { Config } from './sections.ts';
import { routeTokenRules } from './token/rules.ts';

/** The inputs of the rules besides the configuration. */
type RuleContext = {
  isValid: IsValid;
  /** Every key that the configuration declares. */
  keys: readonly DeclaredKey[];
  /** The kind of the provider; undefined while `provider.type` is not valid. */
  kind: ProviderSectionKind | undefined;
};

type Rule = (config: Config, context: RuleContext) => Iterable<ConfigIssue>;

/**
 * Returns an issue for each rule between keys that a configuration violates.
 *
 * @param config - may be incomplete where `issues` says so; a rule only uses values that are valid.
 * @param issues - what is wrong with single keys.
 */
export function brokenRules(
  config: Config,
  issues: readonly z.core.$ZodRawIssue[],
  { keys, kinds }: { keys: readonly DeclaredKey[]; kinds: readonly ProviderSectionKind[] },
): ConfigIssue[] {
  const invalid = issues.filter(({ code }) => code !== 'unrecognized_keys').map(({ path = [] }) => path);
  if (invalid.some((path) => path.length === 0)) return [];
  const isValid: IsValid = (...path) =>
    !invalid.some((issue) => issue.every((key, i) => i >= path.length || key === path[i]));
  const kind = isValid('provider', 'type')
    ? kinds.find(({ type }) => type === config.provider.type)
    : undefined;
  return rules.flatMap((rule) => [...rule(config, { isValid, keys, kind })]);
}

const rules: readonly Rule[] = [
  insecureUrls,
  providerRules,
  secureProfile,
  oneAccessToken,
  routeTokenRules,
  memoryStoreWorkers,
  distinctSecrets,
  redisAccess,
  idleWithinAbsolute,
  delayWithinShutdown,
  lockOutlivesCall,
  separateListeners,
  distinctPaths,
  routesBesideLogin,
  routesWithoutUpstream,
  checkedParameters,
  routeAccess,
];

/** URLs of keys declared with `url: true` are https, unless they lead to this machine. */
function* insecureUrls(config: Config, { isValid, keys, kind }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('allowInsecureHttp') || config.allowInsecureHttp) return;
  const message = 'expected https, because this is not a loopback host and allowInsecureHttp is not true';
  for (const { path: place, providerType, schema } of keys) {
    if (schema['url'] !== true || (providerType !== undefined && providerType !== kind?.type)) continue;
    for (const { path, value } of valuesAt(config, place)) {
      if (!isValid(...path)) continue;
      const urls: readonly unknown[] = Array.isArray(value) ? value : [value];
      if (urls.some((url) => typeof url === 'string' && isInsecure(url))) yield { path, message };
    }
  }
}

/** The rules of the provider kind itself. */
function* providerRules({ provider, keys }: Config, { isValid, kind }: RuleContext): Iterable<ConfigIssue> {
  const signingKey = isValid('keys') ? firstSigningKey(keys) : 'invalid';
  const issues = kind?.brokenRules(provider, (...path) => isValid('provider', ...path), { signingKey }) ?? [];
  for (const { path, message } of issues) yield { path: ['provider', ...path], message };
}

function firstSigningKey(keys: Config['keys']): ConfiguredSigningKey | undefined {
  const index = keys.findIndex(({ use }) => use === 'sig');
  const found = keys[index];
  if (found === undefined) return undefined;
  return { ...found.key, path: `keys[${index}]` };
}

/** FAPI 2.0 allows no plain http, whatever the host. Its rules inside of `provider` are the provider's own. */
function* secureProfile(config: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  const { provider, baseUrl, allowInsecureHttp } = config;
  if (!isValid('provider') || !('profile' in provider) || provider.profile !== 'fapi2') return;
  const requires = 'provider.profile fapi2 requires it';
  if (isValid('baseUrl') && baseUrl.startsWith('http:'))
    yield { path: ['baseUrl'], message: `expected https; ${requires}` };
  if (isValid('allowInsecureHttp') && allowInsecureHttp)
    yield { path: ['allowInsecureHttp'], message: `expected false; ${requires}` };
}

/** A provider without scopes and resources has one access token for all routes. */
function* oneAccessToken({ routes }: Config, { isValid, kind }: RuleContext): Iterable<ConfigIssue> {
  if (kind?.accessTokens !== 'one' || !isValid('routes', -1)) return;
  const message = `a provider of type ${kind.type} issues one access token for all routes; remove it`;
  for (const [index, route] of routes.entries()) {
    for (const key of ['scopes', 'resource'] as const) {
      if (!isValid('routes', index, key) || route[key].length === 0) continue;
      yield { path: ['routes', index, key], message };
    }
  }
}

/** Only a proxy can use a route without an upstream. */
function* routesWithoutUpstream(
  { routes, trustProxy }: Config,
  { isValid }: RuleContext,
): Iterable<ConfigIssue> {
  if (!isValid('routes', -1) || !isValid('trustProxy') || trustProxy.length > 0) return;
  const message =
    'expected an http(s) URL; only a route for GET /auth/check can do without, which needs the proxy in trustProxy';
  for (const [index, route] of routes.entries()) {
    if (isValid('routes', index, 'upstream') && route.upstream === undefined)
      yield { path: ['routes', index, 'upstream'], message };
  }
}

function* memoryStoreWorkers({ session, workers }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('session', 'store') || !isValid('workers')) return;
  if (session.store.kind === 'memory' && workers !== 1) {
    const message =
      'expected a store that processes share, because workers is not 1: a redis: or rediss: URL';
    yield { path: ['session', 'store'], message };
  }
}

function* distinctSecrets({ session }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('session', 'secrets')) return;
  for (const { index, first } of repeats(session.secrets)) {
    const message = `expected distinct secrets; session.secrets[${first}] is the same`;
    yield { path: ['session', 'secrets', index], message };
  }
}

function* redisAccess({ session }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('session', 'store')) return;
  const issues = redisAccessRules(session, (...path) => isValid('session', ...path));
  for (const { path, message } of issues) yield { path: ['session', ...path], message };
}

function* idleWithinAbsolute({ session }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('session', 'idleTimeout') || !isValid('session', 'absoluteTimeout')) return;
  if (session.idleTimeout > session.absoluteTimeout) {
    yield { path: ['session', 'idleTimeout'], message: 'expected no longer than session.absoluteTimeout' };
  }
}

function* delayWithinShutdown(
  { shutdownDelay, shutdownTimeout }: Config,
  { isValid }: RuleContext,
): Iterable<ConfigIssue> {
  if (!isValid('shutdownDelay') || !isValid('shutdownTimeout')) return;
  if (shutdownDelay > shutdownTimeout / 2) {
    yield { path: ['shutdownDelay'], message: 'expected at most half of shutdownTimeout' };
  }
}

function* lockOutlivesCall({ refresh }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('refresh', 'lockTtl') || !isValid('refresh', 'timeout')) return;
  if (refresh.lockTtl <= refresh.timeout) {
    yield { path: ['refresh', 'lockTtl'], message: 'expected longer than refresh.timeout' };
  }
}

function* separateListeners({ listen, admin }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('listen') || !isValid('admin', 'listen')) return;
  const [one, other] = [listen, admin.listen].map(formatListenAddress);
  if (listen.port !== 0 && one === other) {
    yield { path: ['admin', 'listen'], message: 'expected an address that differs from listen' };
  }
}

function* distinctPaths(config: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  const paths = [...validPaths(config, isValid)];
  for (const { index, first } of repeats(paths.map(({ value }) => foldPath(value)))) {
    const isSame = paths[index]?.value === paths[first]?.value;
    const message = `expected a unique path; routes[${paths[first]?.index}] has ${
      isSame ? 'the same' : 'one that differs only in letter case, or in trailing dots'
    }`;
    yield { path: ['routes', paths[index]?.index ?? index, 'path'], message };
  }
}

function* routesBesideLogin(config: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('login', 'prefix')) return;
  const { prefix } = config.login;
  for (const { index, value } of validPaths(config, isValid)) {
    if (isUnder(value, prefix)) {
      const message = 'expected a path outside login.prefix, which the gateway reserves';
      yield { path: ['routes', index, 'path'], message };
    }
  }
}

/** Every sign-in must meet a fixed `max_age` or `acr_values`, so a page must not ask for less. */
function* checkedParameters({ login, provider }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('login', 'parameters') || !isValid('provider', 'authorizationParams')) return;
  const { authorizationParams: fixed } = provider;
  if (fixed === undefined) return;
  for (const name of ['acr_values', 'max_age']) {
    if (!Object.hasOwn(login.parameters, name) || !Object.hasOwn(fixed, name)) continue;
    const message = 'provider.authorizationParams fixes this parameter; remove one of the two';
    yield { path: ['login', 'parameters', name], message };
  }
}

/** The rules of a route about the claims of a session. */
function* routeAccess({ routes, keys, provider }: Config, { isValid }: RuleContext): Iterable<ConfigIssue> {
  if (!isValid('routes', -1)) return;
  const canSign = !isValid('keys') || keys.length > 0;
  const hasBoundTokens = isValid('provider', 'dpop') && Reflect.get(provider, 'dpop') === true;
  for (const [index, route] of routes.entries()) {
    const issues = routeAccessRules(route, { canSign, hasBoundTokens }, (...path) =>
      isValid('routes', index, ...path),
    );
    for (const { path, message } of issues) yield { path: ['routes', index, ...path], message };
  }
}

/** The path of every route in which it is valid. */
function* validPaths(config: Config, isValid: IsValid) {
  // For an index that no route has, `isValid` tells whether the list itself is valid.
  if (!isValid('routes', -1)) return;
  for (const [index, route] of config.routes.entries()) {
    if (isValid('routes', index, 'path')) yield { index, value: route.path };
  }
}

/** The indexes at which a value repeats, each with the index of its first occurrence. */
function* repeats(values: readonly string[]) {
  for (const [index, value] of values.entries()) {
    const first = values.indexOf(value);
    if (first < index) yield { index, first };
  }
}

/** The values at a path in which `*` stands for any index, each with its own path. */
function valuesAt(
  value: unknown,
  place: readonly string[],
  path: KeyPath = [],
): Array<{ path: KeyPath; value: unknown }> {
  const [key, ...rest] = place;
  if (key === undefined) return [{ path, value }];
  if (typeof value !== 'object' || value === null) return [];
  if (key !== '*') return valuesAt(Reflect.get(value, key), rest, [...path, key]);
  return Array.isArray(value) ? value.flatMap((item, index) => valuesAt(item, rest, [...path, index])) : [];
}
