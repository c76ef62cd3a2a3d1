import { z } from 'zod';
import { shaped } from './values/scalar.ts';

/** Which HTTP proxy outgoing calls go through. URLs may have credentials. */
export type ProxySetting =
  | { readonly kind: 'none' }
  | { readonly kind: 'url'; readonly url: string }
  | ({ readonly kind: 'environment' } & ProxyEnvironment);

/** The proxies that the environment names for https and http targets, and the hosts that need none. */
export type ProxyEnvironment = {
  readonly httpsProxy?: string;
  readonly httpProxy?: string;
  readonly noProxy?: string;
};

const proxyUrl = String.raw`https?:\/\/(?:[^\s\/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?\/?`;
const setting = new RegExp(`^(?:env|none|${proxyUrl})$`);
const expected =
  'expected env, none, or the URL of a proxy, http(s)://[user:password@]host[:port], the password percent-encoded';

/** `env`, `none` or the URL of an HTTP proxy. The configuration reader adds the environment to `env`. */
export function proxySetting() {
  return shaped(setting, expected).transform((text, context): ProxySetting => {
    if (text === 'none') return { kind: 'none' };
    if (text === 'env') return { kind: 'environment' };
    const url = parseProxyUrl(text);
    if (url !== undefined) return { kind: 'url', url };
    context.addIssue(expected);
    return z.NEVER;
  });
}

/** The names of each variable. As curl does, the one in lower case takes precedence. */
const variables = {
  httpsProxy: ['https_proxy', 'HTTPS_PROXY'],
  httpProxy: ['http_proxy', 'HTTP_PROXY'],
  noProxy: ['no_proxy', 'NO_PROXY'],
} as const;

/** Reads the proxies from the environment. `invalid` names the variables that hold no URL of an HTTP proxy. */
export function readProxyEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly proxies: ProxyEnvironment;
  readonly invalid: readonly string[];
} {
  const nameOf = (key: keyof typeof variables) => variables[key].find((name) => (env[name] ?? '') !== '');
  const invalid: string[] = [];
  const urlOf = (key: 'httpsProxy' | 'httpProxy') => {
    const name = nameOf(key);
    if (name === undefined) return {};
    const text = env[name] ?? '';
    const url = parseProxyUrl(text.includes('://') ? text : `http://${text}`);
    if (url === undefined) invalid.push(name);
    return url === undefined ? {} : { [key]: url };
  };
  const noProxy = env[nameOf('noProxy') ?? ''];
  const proxies = {
    ...urlOf('httpsProxy'),
    ...urlOf('httpProxy'),
    ...(noProxy !== undefined && { noProxy }),
  };
  return { proxies, invalid };
}

/** Undefined for anything but the URL of an HTTP proxy whose credentials can be decoded. */
function parseProxyUrl(text: string): string | undefined {
  if (!new RegExp(`^${proxyUrl}$`).test(text) || !URL.canParse(text)) return undefined;
  const { href, username, password } = new URL(text);
  try {
    decodeURIComponent(username + password);
    return href;
  } catch {
    return undefined;
  }
}
