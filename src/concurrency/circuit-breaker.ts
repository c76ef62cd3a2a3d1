import { backoffMs, type BackoffRange } from './backoff.ts';
import { createBoundedMap } from './bounded-map.ts';

/** Keeps callers away from an endpoint that keeps failing. */
export type CircuitBreaker = {
  /** How long to wait before the next call, in milliseconds; 0 when one may be made now. */
  pauseMs(): number;
  /** Begins a call. While the endpoint is failing it is a trial, and no other call should be made until it has ended. */
  begin(): Attempt;
};

/** One call. The caller must report how it ended. */
export type Attempt = {
  succeeded(): void;
  /**
   * Takes the pause from `Retry-After`, if there is one; at most 30 s of it count. A failure that may be the caller's own names
   * the caller in `by`: further ones by the same caller say nothing about the endpoint, until a call has succeeded.
   */
  failed(retryAfterMs: number | undefined, by?: string): void;
  /** Nothing was sent: the call says nothing about the endpoint. */
  cancel(): void;
};

/** How many failures in a row leave the breaker closed. */
const TOLERATED_FAILURES = 2;
const PAUSES: BackoffRange = { firstMs: 500, longestMs: 10_000 };

/** The longest pause that an endpoint can ask for, in milliseconds: a limit on one caller must not stop all callers for an hour. */
const LONGEST_RETRY_AFTER_MS = 30_000;

/** How many callers with failures of their own are remembered. */
const MAX_CALLERS = 100;

/** The longest pause during a trial, in milliseconds: its outcome is known soon. */
const TRIAL_MS = 1_000;

/**
 * Opens after three failures in a row, those of one caller counted once, for pauses that double up to ten seconds, with jitter. After a pause one call goes
 * through as a trial.
 */
export function createCircuitBreaker(clock: () => number): CircuitBreaker {
  let failures = 0;
  let pauses = 0;
  let pausedUntilMs = 0;
  let isOnTrial = false;
  const failedBy = createBoundedMap<string, true>({ maxEntries: MAX_CALLERS });
  const isFailing = () => failures > TOLERATED_FAILURES;
  const pause = (ms: number) => {
    pauses += 1;
    pausedUntilMs = clock() + ms;
  };

  return {
    pauseMs() {
      const leftMs = Math.max(0, pausedUntilMs - clock());
      return isOnTrial ? Math.min(TRIAL_MS, leftMs) : leftMs;
    },

    begin() {
      isOnTrial = isFailing();
      // A trial that never reports its outcome must not block the others for ever.
      if (isOnTrial) pause(PAUSES.longestMs);
      const pausesAtStart = pauses;
      const cancel = () => {
        if (isOnTrial && pausesAtStart === pauses) pausedUntilMs = 0;
      };
      return {
        succeeded() {
          failures = 0;
          failedBy.clear();
          pausedUntilMs = 0;
          isOnTrial = false;
        },
        failed(requestedMs = 0, by) {
          if (by !== undefined) {
            if (failedBy.has(by)) return cancel();
            failedBy.set(by, true);
          }
          const retryAfterMs = Math.min(requestedMs, LONGEST_RETRY_AFTER_MS);
          if (pausesAtStart !== pauses) {
            // Calls that were made together fail together: they count as one failure.
            pausedUntilMs = Math.max(pausedUntilMs, clock() + retryAfterMs);
            return;
          }
          failures += 1;
          isOnTrial = false;
          const pauseMs = Math.max(
            retryAfterMs,
            isFailing() ? backoffMs(failures - TOLERATED_FAILURES, PAUSES) : 0,
          );
          if (pauseMs > 0) pause(pauseMs);
        },
        cancel,
      };
    },
  };
}
