import { backoffMs, type BackoffRange } from './backoff.ts';

/** Keeps a failing token endpoint from being asked by every request. One for each provider. */
export type CircuitBreaker = {
  /** How long nobody should ask yet, in milliseconds; 0 when asking is right now. */
  pauseMs(): number;
  /** Notes that somebody asks now: while the endpoint is failing, everybody else waits for how that ends. */
  begin(): Attempt;
};

/** One call of the token endpoint; tell how it ended. */
export type Attempt = {
  succeeded(): void;
  /** Notes a failure; the provider may have said how long to stay away. */
  failed(retryAfterMs: number | undefined): void;
  /** Notes that nothing was asked after all. */
  cancel(): void;
};

/** So many failures in a row are borne before anyone is turned away. */
const TOLERATED = 2;
const PAUSES: BackoffRange = { firstMs: 500, longestMs: 10_000 };

/** How long those are sent away who come while one caller tries, in milliseconds: it will soon be known. */
const TRIAL_MS = 1_000;

/**
 * A breaker that opens after a few failures in a row, for pauses that double up to ten seconds, with jitter. When a pause
 * is over one caller is let through to try.
 */
export function createCircuitBreaker(clock: () => number): CircuitBreaker {
  let failures = 0;
  let pauses = 0;
  let closedUntilMs = 0;
  let isOnTrial = false;
  const isFailing = () => failures > TOLERATED;
  const pause = (ms: number) => {
    pauses += 1;
    closedUntilMs = clock() + ms;
  };

  return {
    pauseMs() {
      const leftMs = Math.max(0, closedUntilMs - clock());
      return isOnTrial ? Math.min(TRIAL_MS, leftMs) : leftMs;
    },

    begin() {
      isOnTrial = isFailing();
      // A trial of which nothing is heard does not keep the others out for ever.
      if (isOnTrial) pause(PAUSES.longestMs);
      const began = pauses;
      return {
        succeeded() {
          failures = 0;
          closedUntilMs = 0;
          isOnTrial = false;
        },
        failed(retryAfterMs = 0) {
          if (began !== pauses) {
            // Calls that were under way together fail together: they are no further reason to stay away longer.
            closedUntilMs = Math.max(closedUntilMs, clock() + retryAfterMs);
            return;
          }
          failures += 1;
          isOnTrial = false;
          const pauseMs = Math.max(retryAfterMs, isFailing() ? backoffMs(failures - TOLERATED, PAUSES) : 0);
          if (pauseMs > 0) pause(pauseMs);
        },
        cancel() {
          if (isOnTrial && began === pauses) closedUntilMs = 0;
        },
      };
    },
  };
}
