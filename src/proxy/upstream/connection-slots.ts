import { GatewayError } from '../../errors.ts';
import { forEachRoute, type Route } from '../routes.ts';

/** The connection slots of an upstream, one for each request or upgrade in flight. Waiters are served in their order. */
export type ConnectionSlots = {
  /** True when a slot was free. Otherwise one of these is called later: `go` with a slot, or `refuse`. */
  take(go: () => void, refuse: (error: GatewayError) => void): boolean;
  /** Stops waiting. */
  forgo(go: () => void): void;
  /** Releases a slot. */
  release(): void;
};

/** The slots of each route: requests and upgrades count together. */
export type RouteSlots = (route: Route) => ConnectionSlots;

export function createRouteSlots(routes: readonly Route[]): RouteSlots {
  return forEachRoute(routes, ({ config }) =>
    createConnectionSlots(config.connections.max, config.timeout.headers),
  );
}

/**
 * Creates `max` slots. A request waits at most `waitMs` milliseconds for one; then it fails with `upstream_timeout`.
 *
 * Not a semaphore of `concurrency/`: a request that finds a slot goes out in the same iteration of the event loop, with the writes
 * that are batched there, and one that waits can give up.
 *
 * undici 8 counts no time for a request that waits for a connection, and keeps it in its queue after its client has left.
 */
export function createConnectionSlots(max: number, waitMs: number): ConnectionSlots {
  let free = max;
  const waiting = new Map<() => void, NodeJS.Timeout>();

  const forgo = (go: () => void) => {
    clearTimeout(waiting.get(go));
    waiting.delete(go);
  };
  return {
    take(go, refuse) {
      if (free > 0) {
        free -= 1;
        return true;
      }
      const giveUp = () => {
        waiting.delete(go);
        refuse(
          new GatewayError('upstream_timeout', { detail: 'No connection to the API became free in time.' }),
        );
      };
      waiting.set(go, setTimeout(giveUp, waitMs));
      return false;
    },
    forgo,
    release() {
      if (waiting.size === 0) {
        free += 1;
        return;
      }
      for (const next of waiting.keys()) {
        forgo(next);
        // Not from within the call that releases: undici has its connection free only after that.
        setImmediate(next);
        return;
      }
    },
  };
}
