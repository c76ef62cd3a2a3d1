import type { RouteConfig } from '../config/schema/schema.ts';
import { foldPath } from '../config/values/path.ts';
import { GatewayError } from '../errors.ts';
import { createAudience, type Audience } from '../tokens/audience.ts';
import { everyReading, isAmbiguous } from './path-readings.ts';

/** One server of a route's upstream. */
export type UpstreamServer = {
  /** Its scheme, host and port. */
  readonly origin: string;
  /** The `Host` to send to it. */
  readonly host: string;
};

/** A configured route, prepared for matching and forwarding. */
export type Route = {
  readonly config: RouteConfig;
  /** False for a route without an upstream, about which only proxies ask. */
  readonly isForwarded: boolean;
  readonly servers: readonly [UpstreamServer, ...UpstreamServer[]];
  readonly methods: ReadonlySet<string>;
  /** The scopes and resource that the access token must cover. */
  readonly audience: Audience;
  /** The identity headers of all routes, in lower case: an upstream may serve several of them. */
  readonly identityFields: ReadonlySet<string>;
  /** True when callers with an access token of their own pass. */
  readonly acceptsBearer: boolean;
  /** Maps a validated path that matched this route to the upstream's path. It only joins strings and parses nothing. */
  upstreamPath(path: string): string;
};

/**
 * Finds the route of a path: the longest prefix that ends at a segment boundary. Throws `bad_request` for a path that
 * would match another route once decoded or folded.
 */
export type Routes = { all: readonly Route[]; match(path: string): Route | undefined };

export function createRoutes(configs: readonly RouteConfig[]): Routes {
  const identityFields = new Set(configs.flatMap(identityFieldsOf));
  const all = configs
    .map((config) => createRoute(config, identityFields))
    .sort((a, b) => b.config.path.length - a.config.path.length);
  const find = createPrefixLookup(all.map((route) => [route.config.path, route]));
  const findCaseFolded = createPrefixLookup(all.map((route) => [foldPath(route.config.path), route]));
  const findFolded = (path: string) => findCaseFolded(foldPath(path));
  return {
    all,
    match(path) {
      const route = find(path);
      // SECURITY: "/%61dmin", "/admin;x" and "/Admin" do not match "/admin" here but may reach it at the upstream, bypassing
      // that route's rules.
      if (isAmbiguous(path)) {
        const folded = (reading: string) => findFolded(reading) === route;
        const plain = (reading: string) => find(reading) === route && folded(reading);
        if (!everyReading(path, { plain, folded })) throw ambiguousPath();
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

/** Creates something for each server of a route, and gives the lookup. */
export function forEachServer<T>(
  { servers: [first, ...others] }: Route,
  create: (server: UpstreamServer) => T,
): (server: UpstreamServer) => T {
  const ofFirst = create(first);
  const created = new Map(others.map((server) => [server, create(server)]));
  return (server) => created.get(server) ?? ofFirst;
}

function ambiguousPath(): GatewayError {
  return new GatewayError('bad_request', {
    detail:
      'The path belongs to another route when it is decoded, or when its letter case or Unicode form is ignored.',
  });
}

function identityFieldsOf({ identity: { headers, jwt } }: RouteConfig): string[] {
  const names = [...Object.keys(headers), ...(jwt === undefined ? [] : [jwt.header])];
  return names.map((name) => name.toLowerCase());
}

/** Stands in for a missing upstream. Nothing is sent there, and the name never resolves (RFC 6761, section 6.4). */
const nowhere = new URL('http://none.invalid');

/** Throws `not_found` for a route without an upstream. */
export function requireUpstream({ isForwarded, config }: Route): void {
  if (isForwarded) return;
  throw new GatewayError('not_found', {
    detail: `The route ${config.path} has no upstream: it is only for proxies that ask about requests.`,
  });
}

function createRoute(config: RouteConfig, identityFields: ReadonlySet<string>): Route {
  const [first = nowhere, ...others] = (config.upstream ?? []).map((url) => new URL(url));
  const base = first.pathname.replace(/\/+$/, '');
  const prefixLength = config.stripPrefix && config.path !== '/' ? config.path.length : 0;

  return {
    config,
    isForwarded: first !== nowhere,
    servers: [serverOf(first), ...others.map(serverOf)],
    methods: new Set(config.methods),
    audience: createAudience(config.scopes, config.resource),
    identityFields,
    acceptsBearer: config.bearer.issuers.length > 0,
    upstreamPath(path) {
      if (prefixLength === 0) return base + path;
      // SECURITY: without its prefix "/api//x" would read as a host, so exactly one slash leads.
      return `${base}/${path.slice(prefixLength).replace(/^\/+/, '')}`;
    },
  };
}

function serverOf({ origin, host }: URL): UpstreamServer {
  return { origin, host };
}

/**
 * Finds the longest prefix of a path that ends at a segment boundary. It looks up one prefix of the path after another, so that
 * its cost grows with the segments of the configured prefixes, and not with their number. Of equal ones, the first counts.
 */
function createPrefixLookup<T>(entries: readonly (readonly [string, T])[]): (path: string) => T | undefined {
  const values = new Map([...entries].reverse());
  const longest = Math.max(0, ...entries.map(([prefix]) => prefix.length));
  return (path) => {
    // A longer candidate than the longest prefix cannot match: an attacker's path may have thousands of segments.
    let end = path.length <= longest ? path.length : path.lastIndexOf('/', longest);
    while (end > 0) {
      const found = values.get(path.slice(0, end));
      if (found !== undefined) return found;
      end = path.lastIndexOf('/', end - 1);
    }
    return values.get('/');
  };
}
