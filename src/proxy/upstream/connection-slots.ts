import { GatewayError } from '../../errors.ts';

/** The places on the connections to an upstream, one for a request each. Who finds none waits, first come, first served. */
export type ConnectionSlots = {
  /** True when there is a place. Otherwise one of these is called later: `go` with a place, or `refuse`. */
  take(go: () => void, refuse: (error: GatewayError) => void): boolean;
  /** Waits no longer. */
  forgo(go: () => void): void;
  /** Gives a place back. */
  leave(): void;
};

/**
 * Makes so many places, for each of which a request waits `waitMs` milliseconds at most; then it is `upstream_timeout`.
 *
 * Not a semaphore of `concurrency/`: a request that finds a place goes out in the same turn, with the writes that are
 * gathered there, and one that waits can give up.
 *
 * undici 8 counts no time for a request that waits for a connection, and keeps it in mind though its client has gone.
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
    leave() {
      if (waiting.size === 0) {
        free += 1;
        return;
      }
      for (const next of waiting.keys()) {
        forgo(next);
        // Not from within the call that leaves: undici has its connection free only after that.
        setImmediate(next);
        return;
      }
    },
  };
}
