import type { z } from 'zod';
import type { Finding, KeyPath } from '../diagnostics/finding.ts';
import { foldPath, isUnder } from '../values/path.ts';
import { oauth2Endpoints, oneTokenOfVendors, providerUrls } from './provider-rules.ts';
import type { sections } from './sections.ts';
import { isInsecure } from '../values/url.ts';

/** The configuration as it was read, key by key. */
export type Config = z.output<typeof sections>;

/** Tells whether what stands at a path was read without a problem, so that a rule may look at it. */
export type IsValid = (...path: KeyPath) => boolean;

type Rule = (config: Config, sound: IsValid) => Iterable<Finding>;

/**
 * The rules between keys that a configuration breaks.
 *
 * @param config - may be incomplete where `issues` says so; a rule only runs when the keys it reads are sound.
 * @param issues - what was found wrong with single keys.
 */
export function brokenRules(config: Config, issues: readonly z.core.$ZodRawIssue[]): Finding[] {
  const flawed = issues.filter(({ code }) => code !== 'unrecognized_keys').map(({ path = [] }) => path);
  const sound: IsValid = (...path) =>
    !flawed.some((flaw) => flaw.every((key, i) => i >= path.length || key === path[i]));
  if (flawed.some((path) => path.length === 0)) return [];
  return rules.flatMap((rule) => [...rule(config, sound)]);
}

const rules: readonly Rule[] = [
  insecureUrls,
  clientCredentials,
  oauth2Endpoints,
  oneTokenOfVendors,
  memoryStoreWorkers,
  distinctSecrets,
  idleWithinAbsolute,
  lockOutlivesCall,
  separateListeners,
  distinctPaths,
  routesBesideLogin,
];

function* insecureUrls(config: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('allowInsecureHttp') || config.allowInsecureHttp) return;
  const message = 'expected https, because this is not a loopback host and allowInsecureHttp is not true';
  if (sound('baseUrl') && isInsecure(config.baseUrl)) yield { path: ['baseUrl'], message };
  for (const { path, url } of providerUrls(config, sound)) if (isInsecure(url)) yield { path, message };
  for (const { index, value } of soundOfRoutes(config, sound, 'upstream')) {
    if (isInsecure(value)) yield { path: ['routes', index, 'upstream'], message };
  }
  if (sound('spa') && config.spa?.devServer !== undefined && isInsecure(config.spa.devServer)) {
    yield { path: ['spa', 'devServer'], message };
  }
}

/** Each way of client authentication has what it needs, and nothing that it has no use for. */
function* clientCredentials({ provider }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('provider', 'type') || provider.type === 'credentials') return;
  if (!sound('provider', 'clientAuthentication')) return;
  const method = provider.clientAuthentication;
  const [needed, ...useless] =
    method === 'private_key_jwt'
      ? (['privateKey', 'clientSecret'] as const)
      : (['clientSecret', 'privateKey', 'keyId', 'assertionAudience'] as const);
  if (sound('provider', needed) && provider[needed] === undefined) {
    const message = `missing or empty; provider.clientAuthentication ${method} requires it`;
    yield { path: ['provider', needed], message };
  }
  for (const key of useless) {
    if (!sound('provider', key) || provider[key] === undefined) continue;
    const message = `provider.clientAuthentication ${method} does not use it; remove it`;
    yield { path: ['provider', key], message };
  }
}

function* memoryStoreWorkers({ session, workers }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('session', 'store') || !sound('workers')) return;
  if (session.store.kind === 'memory' && workers !== 1) {
    const message =
      'expected a store that processes share, because workers is not 1: a redis: or rediss: URL';
    yield { path: ['session', 'store'], message };
  }
}

function* distinctSecrets({ session }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('session', 'secrets')) return;
  for (const { index, first } of repeats(session.secrets)) {
    const message = `expected distinct secrets; session.secrets[${first}] is the same`;
    yield { path: ['session', 'secrets', index], message };
  }
}

function* idleWithinAbsolute({ session }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('session', 'idleTimeout') || !sound('session', 'absoluteTimeout')) return;
  if (session.idleTimeout > session.absoluteTimeout) {
    yield { path: ['session', 'idleTimeout'], message: 'expected no longer than session.absoluteTimeout' };
  }
}

function* lockOutlivesCall({ refresh }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('refresh', 'lockTtl') || !sound('refresh', 'timeout')) return;
  if (refresh.lockTtl <= refresh.timeout) {
    yield { path: ['refresh', 'lockTtl'], message: 'expected longer than refresh.timeout' };
  }
}

function* separateListeners({ listen, admin }: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('listen') || !sound('admin', 'listen')) return;
  if (listen.port !== 0 && listen.port === admin.listen.port && listen.host === admin.listen.host) {
    yield { path: ['admin', 'listen'], message: 'expected an address that differs from listen' };
  }
}

function* distinctPaths(config: Config, sound: IsValid): Iterable<Finding> {
  const paths = [...soundOfRoutes(config, sound, 'path')];
  for (const { index, first } of repeats(paths.map(({ value }) => foldPath(value)))) {
    const isSame = paths[index]?.value === paths[first]?.value;
    const message = `expected a unique path; routes[${paths[first]?.index}] has ${
      isSame ? 'the same' : 'one that differs only in letter case, or in trailing dots'
    }`;
    yield { path: ['routes', paths[index]?.index ?? index, 'path'], message };
  }
}

function* routesBesideLogin(config: Config, sound: IsValid): Iterable<Finding> {
  if (!sound('login', 'prefix')) return;
  const { prefix } = config.login;
  for (const { index, value } of soundOfRoutes(config, sound, 'path')) {
    if (isUnder(value, prefix)) {
      const message = 'expected a path outside login.prefix, which the gateway reserves';
      yield { path: ['routes', index, 'path'], message };
    }
  }
}

/** One key of every route in which that key was read without a problem. */
function* soundOfRoutes(config: Config, sound: IsValid, key: 'path' | 'upstream') {
  // Asked for an index that is no route, `sound` answers for the list itself.
  if (!sound('routes', -1)) return;
  for (const [index, route] of config.routes.entries()) {
    if (sound('routes', index, key)) yield { index, value: route[key] };
  }
}

/** The places at which a value comes again, each with the place at which it came first. */
function* repeats(values: readonly string[]) {
  for (const [index, value] of values.entries()) {
    const first = values.indexOf(value);
    if (first < index) yield { index, first };
  }
}
