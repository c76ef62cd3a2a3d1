/** Keeps a failing token endpoint from being asked by every request. One for each provider. */
export type Breaker = {
  /** How long nobody should ask yet, in milliseconds; 0 when asking is right now. */
  pauseMs(): number;
  /** Notes that somebody asks now: while the endpoint is failing, everybody else waits for how that ends. */
  asking(): void;
  succeeded(): void;
  /** Notes a failure; the provider may have said how long to stay away. */
  failed(retryAfterMs: number | undefined): void;
};

/** So many failures in a row are borne before anyone is turned away. */
const TOLERATED = 2;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/**
 * A breaker that opens after a few failures in a row, for pauses that double up to half a minute, with jitter. When a
 * pause is over one caller is let through to try, and the next pause begins with it.
 */
export function createBreaker(clock: () => number): Breaker {
  let failures = 0;
  let closedUntilMs = 0;
  const backOffMs = () => {
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - TOLERATED, 10));
    return ceiling * (0.75 + Math.random() / 4);
  };

  return {
    pauseMs: () => Math.max(0, closedUntilMs - clock()),
    asking() {
      if (failures > TOLERATED) closedUntilMs = clock() + backOffMs();
    },
    succeeded() {
      failures = 0;
      closedUntilMs = 0;
    },
    failed(retryAfterMs) {
      failures += 1;
      if (retryAfterMs !== undefined) closedUntilMs = Math.max(closedUntilMs, clock() + retryAfterMs);
      else if (failures > TOLERATED) closedUntilMs = clock() + backOffMs();
    },
  };
}
