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
  /** Changes their number and the longest wait; slots in use beyond the number are not taken away. */
  resize(max: number, waitMs: number): void;
};

/** The slots of each route: requests and upgrades count together. */
export type RouteSlots = (route: Route) => ConnectionSlots;

/** Finds the slots of routes; the routes of a reloaded configuration share those of earlier ones with the same path. */
export function createRouteSlots(): (routes: readonly Route[]) => RouteSlots {
  const byPath = new Map<string, ConnectionSlots>();
  return (routes) =>
    forEachRoute(routes, ({ config: { path, connections, timeout } }) => {
      const existing = byPath.get(path);
      if (existing !== undefined) {
        existing.resize(connections.max, timeout.headers);
        return existing;
      }
      const created = createConnectionSlots(connections.max, timeout.headers);
      byPath.set(path, created);
      return created;
    });
}

/**
 * Creates `max` slots. A request waits at most `waitMs` milliseconds for one; then it fails with `upstream_timeout`.
 *
 * Not a semaphore of `concurrency/`: a request that finds a slot goes out in the same iteration of the event loop, with the writes
 * that are batched there, and one that waits can give up.
 */
export function createConnectionSlots(max: number, waitMs: number): ConnectionSlots {
  let [size, longestWaitMs] = [max, waitMs];
  /** Below zero while more are in use than there should be. */
  let free = size;
  const waiting = new Map<() => void, NodeJS.Timeout>();

  const forgo = (go: () => void) => {
    clearTimeout(waiting.get(go));
    waiting.delete(go);
  };
  const serveWaiting = () => {
    for (const next of waiting.keys()) {
      if (free <= 0) return;
      free -= 1;
      forgo(next);
      // Not from within the call that releases, which may be in the middle of closing a connection.
      setImmediate(next);
    }
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
      waiting.set(go, setTimeout(giveUp, longestWaitMs));
      return false;
    },
    forgo,
    release() {
      free += 1;
      serveWaiting();
    },
    resize(newSize, newWaitMs) {
      free += newSize - size;
      [size, longestWaitMs] = [newSize, newWaitMs];
      serveWaiting();
    },
  };
}
