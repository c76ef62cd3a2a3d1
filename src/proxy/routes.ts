import type { RouteConfig } from '../config/schema/schema.ts';
import { GatewayError } from '../errors.ts';
import { createAudience, type Audience } from '../tokens/audience.ts';

/** A route of the configuration, prepared for matching and forwarding. */
export type Route = {
  readonly config: RouteConfig;
  /** The scheme, host and port of the upstream. */
  readonly origin: string;
  /** The Host the upstream is asked for. */
  readonly host: string;
  readonly methods: ReadonlySet<string>;
  /** Whom the access token of a request must be for. */
  readonly audience: Audience;
  /** The path to ask the upstream for, given a checked path that matched this route; never parsed, only joined. */
  upstreamPath(path: string): string;
};

/**
 * Finds the route of a path: the most specific one whose prefix ends on a segment border. Throws `bad_request` for a path
 * that is another route's to a reader who decodes it.
 */
export type Routes = { all: readonly Route[]; match(path: string): Route | undefined };

export function createRoutes(configs: readonly RouteConfig[]): Routes {
  const all = configs.map(createRoute).sort((a, b) => b.config.path.length - a.config.path.length);
  const find = (path: string) => all.find((route) => isUnder(path, route.config.path));
  return {
    all,
    match(path) {
      const route = find(path);
      if (disguising.test(path)) checkDisguise(path, (seen) => find(seen) === route);
      return route;
    },
  };
}

/** What an upstream may take away before it decides what a path means: encodings, parameters, empty segments. */
const disguising = /%|;|\/\//;

/** How often a reader may decode. It is bounded, since every "25" after a "%" would make one more round of it. */
const DECODINGS = 3;

/** SECURITY: "/%61dmin" and "/admin;x" are not under "/admin" here, and could be there, past the rules of that route. */
function checkDisguise(path: string, isOfSameRoute: (seen: string) => boolean): void {
  let seen = path;
  for (let round = 0; round < DECODINGS; round += 1) {
    seen = seen
      .replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(/;[^/]*/g, '')
      .replace(/\/{2,}/g, '/');
    if (!isOfSameRoute(seen)) {
      throw new GatewayError('bad_request', { detail: 'The decoded path belongs to another route.' });
    }
    if (!seen.includes('%')) return;
  }
}

function createRoute(config: RouteConfig): Route {
  const { origin, host, pathname } = new URL(config.upstream);
  const base = pathname.replace(/\/+$/, '');
  const stripped = config.stripPrefix && config.path !== '/' ? config.path.length : 0;

  return {
    config,
    origin,
    host,
    methods: new Set(config.methods),
    audience: createAudience(config.scopes, config.resource),
    upstreamPath(path) {
      if (stripped === 0) return base + path;
      // SECURITY: "/api//x" stripped would read as a host: one slash only leads.
      return `${base}/${path.slice(stripped).replace(/^\/+/, '')}`;
    },
  };
}

function isUnder(path: string, prefix: string): boolean {
  if (prefix === '/') return true;
  return (
    path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f)
  );
}
