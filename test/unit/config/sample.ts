import { ConfigError } from '../../../src/config/config-error.ts';
import type { Problem } from '../../../src/config/config-error.ts';
import type { ConfigInput } from '../../../src/config/config-input.ts';
import { loadConfig, parseConfig } from '../../../src/provider/read-config.ts';
import type { Config } from '../../../src/config/schema/schema.ts';
import { oidcKind } from '../../../src/provider/oidc/kind.ts';

/** A secret that is long enough. */
export const secret = 'session-secret-h4sPv8KwN2qTj6MzR';

/** A minimal valid configuration. */
export const minimal = {
  baseUrl: 'https://app.example.com',
  provider: {
    type: 'oidc',
    issuer: 'https://login.example.com',
    clientId: 'web',
    clientSecret: 'client-secret',
  },
  session: { secrets: [secret] },
} satisfies ConfigInput;

/** A minimal valid route. */
export const route = { path: '/api', upstream: 'https://api.example.com' } satisfies RouteInput;

type RouteInput = NonNullable<ConfigInput['routes']>[number];

/** The configuration of one minimal route with these additional keys. */
export function parseRoute(keys: Record<string, unknown>) {
  const [parsed] = parseConfig({ ...minimal, routes: [{ ...route, ...keys }] }).routes;
  if (parsed === undefined) throw new Error('the configuration has no route');
  return parsed;
}

/** The OpenID provider of a configuration; throws for another kind. */
export function openIdProviderOf({ provider }: Config) {
  if (!oidcKind.owns(provider)) throw new Error('the provider is of another kind');
  return provider;
}

/** The problems of the minimal configuration with these keys, as `path: message`. */
export function problemsWith(keys: Record<string, unknown>): string[] {
  return texts(() => parseConfig({ ...minimal, ...keys }));
}

/** The problems of the keys of one route, as `path: message` with the path inside the route. */
export function routeProblems(keys: Record<string, unknown>): string[] {
  return problemsWith({ routes: [{ ...route, ...keys }] }).map((text) => text.replace(/^routes\[0\]\.?/, ''));
}

/** Loads a configuration file from its text, with an environment and files that exist in memory only. */
export function load(
  text: string,
  { env = {}, files = {} }: { env?: Variables; files?: Variables } = {},
): Config {
  const all: Variables = { ...files, 'config.yaml': text };
  const readFile = (path: string) => {
    const content = all[path];
    if (content === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return content;
  };
  return loadConfig('config.yaml', { env, readFile });
}

type Variables = Record<string, string>;

/** The problems of a rejected configuration; fails when it is accepted. */
export function problemsOf(read: () => unknown): readonly Problem[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

function texts(read: () => unknown): string[] {
  return problemsOf(read).map(({ path, message }) => `${path}: ${message}`);
}
