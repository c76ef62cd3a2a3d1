import type { RouteConfig } from '../config/schema/schema.ts';
import { foldPath } from '../config/values/path.ts';
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
  const folded = all.map((route) => ({ route, path: foldPath(route.config.path) }));
  const findFolded = (path: string) => folded.find((each) => isUnder(path, each.path))?.route;
  return {
    all,
    match(path) {
      const route = find(path);
      if (ambiguous.test(path)) {
        checkAmbiguity(path, (seen) => find(seen) === route && findFolded(foldPath(seen)) === route);
      }
      return route;
    },
  };
}

/** Creates something for each route, and gives the lookup. It throws for a route of another configuration. */
export function forEachRoute<T>(routes: readonly Route[], create: (route: Route) => T): (route: Route) => T {
  const created = new Map(routes.map((route) => [route, create(route)]));
  return (route) => {
    const found = created.get(route);
    if (found === undefined) throw new Error(`route ${route.config.path} does not belong to this gateway`);
    return found;
  };
}

/**
 * Whatever an upstream may take away or ignore before it decides what a path means: encodings, parameters, empty segments,
 * letter case, and dots, blanks or stream names at the end of a segment.
 */
const ambiguous = /[%;A-Z:]|\/\/|\.(?:\/|$)/;

/** How often a reader may decode. It is bounded, since every "25" after a "%" would make one more round of it. */
const DECODINGS = 3;

/** SECURITY: "/%61dmin", "/admin;x" and "/Admin" are not under "/admin" here, and may be there, past the rules of that route. */
function checkAmbiguity(path: string, isOfSameRoute: (seen: string) => boolean): void {
  let seen = path;
  if (!isOfSameRoute(seen)) throw belongsElsewhere();
  for (let round = 0; round < DECODINGS; round += 1) {
    seen = seen
      .replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(/;[^/]*/g, '')
      .replace(/\/{2,}/g, '/');
    if (!isOfSameRoute(seen)) throw belongsElsewhere();
    if (!seen.includes('%')) return;
  }
}

function belongsElsewhere(): GatewayError {
  return new GatewayError('bad_request', {
    detail: 'The path belongs to another route when it is decoded, or when its letter case is ignored.',
  });
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
