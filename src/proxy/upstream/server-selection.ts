import { unjitteredBackoffMs } from '../../concurrency/backoff.ts';
import type { Logger } from '../../observability/log.ts';
import { forEachRoute, type Route, type UpstreamServer } from '../routes.ts';

/** Selects one of the servers of a route's upstream for each attempt. */
export type ServerSelection = {
  /** A server that is not among `tried`; undefined when all are. */
  next(tried?: ReadonlySet<UpstreamServer>): UpstreamServer | undefined;
  /** A connection to the server failed: it gets no requests for a while. */
  failed(server: UpstreamServer): void;
  /** A connection to the server succeeded. */
  reached(server: UpstreamServer): void;
};

/** The selection of each route: requests and upgrades share it. */
export type RouteServers = (route: Route) => ServerSelection;

/** How long a server that accepts no connection gets no requests; longer each time, in milliseconds. */
const PAUSES = { firstMs: 1_000, longestMs: 30_000 };

/** A server that accepted no connection. */
type Outage = { failures: number; untilMs: number };

export function createRouteServers(
  routes: readonly Route[],
  deps: { clock: () => number; log: Logger },
): RouteServers {
  return forEachRoute(routes, ({ config, servers: [first, ...others] }) =>
    others.length === 0
      ? { next: (tried) => (tried?.has(first) ? undefined : first), failed() {}, reached() {} }
      : createServerSelection([first, ...others], { ...deps, route: config.path }),
  );
}

/**
 * Takes the servers one after the other and leaves out those that accepted no connection. After its pause, such a server gets one
 * request as a trial. When all are left out, the one whose pause ends first is tried.
 */
export function createServerSelection(
  servers: readonly UpstreamServer[],
  { clock, log, route }: { clock: () => number; log: Logger; route: string },
): ServerSelection {
  const outages = new Map<UpstreamServer, Outage>();
  let current = 0;

  const pauseMs = (failures: number) => unjitteredBackoffMs(failures, PAUSES);
  const untilMs = (server: UpstreamServer) => outages.get(server)?.untilMs ?? 0;

  return {
    next(tried) {
      current = (current + 1) % servers.length;
      const candidates = [...servers.slice(current), ...servers.slice(0, current)].filter(
        (server) => tried?.has(server) !== true,
      );
      const nowMs = clock();
      const [earliest] = candidates.toSorted((one, other) => untilMs(one) - untilMs(other));
      const chosen = candidates.find((server) => untilMs(server) <= nowMs) ?? earliest;
      const outage = chosen && outages.get(chosen);
      // Others are not sent there before this trial is over.
      if (outage !== undefined) outage.untilMs = nowMs + pauseMs(outage.failures);
      return chosen;
    },
    failed(server) {
      const failures = (outages.get(server)?.failures ?? 0) + 1;
      outages.set(server, { failures, untilMs: clock() + pauseMs(failures) });
      if (failures === 1)
        log.warn(
          { route, upstream: server.origin },
          'cannot connect to an upstream server; using the others',
        );
    },
    reached(server) {
      if (!outages.delete(server)) return;
      log.info({ route, upstream: server.origin }, 'an upstream server accepts connections again');
    },
  };
}
