import type { ProviderFake } from '../providers/provider-fake.ts';

/** The surroundings of a gateway in a test. */
export type GatewayParts = {
  provider: Pick<ProviderFake, 'register'>;
  upstream: { readonly url: string };
  /** Where sessions are kept, as in `session.store`: `memory:` (the default) or the URL of a Redis. */
  store?: string;
  /** Changes to the default configuration. Mappings are merged, lists replaced. */
  config?: Record<string, unknown>;
};

/** The secret that seals cookies and sessions; the marker lets a test search for it. */
export const SESSION_SECRET = 'canary-session-secret-Zk3vQ9xT7mLw2RbY';

/**
 * A configuration with the keys of the file, for a gateway at `baseUrl` that binds to `listen`.
 *
 * Its routes are `/api` (a session is required), `/optional`, `/public` (no token, ever) and `/socket` (WebSocket).
 * The provider learns its redirect URIs.
 */
export function gatewayConfig(
  { provider, upstream, store = 'memory:', config = {} }: GatewayParts,
  baseUrl: string,
  listen: string,
): Record<string, unknown> {
  const usual = {
    baseUrl,
    listen,
    admin: { listen: '127.0.0.1:0' },
    provider: provider.register(baseUrl),
    session: { store, secrets: [SESSION_SECRET] },
    routes: [
      { path: '/api', upstream: upstream.url },
      { path: '/optional', upstream: upstream.url, auth: 'optional' },
      { path: '/public', upstream: upstream.url, auth: 'none' },
      { path: '/socket', upstream: upstream.url, websocket: true },
    ],
    log: { level: 'trace' },
  };
  return merged(usual, config);
}

/** A configuration with some other keys: mappings are merged, lists and values replaced. */
export function merged(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const former = result[key];
    result[key] = isMapping(former) && isMapping(value) ? merged(former, value) : value;
  }
  return result;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
