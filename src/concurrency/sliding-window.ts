import { createBoundedMap } from './bounded-map.ts';

/** Limits how often something may happen for each key in any minute. */
export type SlidingWindow = {
  /**
   * Counts one more for `key` and returns 0, or counts nothing and returns the milliseconds until one more is allowed.
   * `shared` are times that all processes have recorded for the key; the limit applies to them, too.
   */
  take(key: string, shared?: readonly number[]): number;
  /** Returns the times less than a minute ago. */
  recent(times: readonly number[] | undefined): readonly number[];
};

const MINUTE_MS = 60_000;

/** At most `perMinute` for each key. */
export function createSlidingWindow(deps: { perMinute: number; clock: () => number }): SlidingWindow {
  const { perMinute, clock } = deps;
  const times = createBoundedMap<string, number[]>({
    maxEntries: Infinity,
    isExpired: (taken) => (taken.at(-1) ?? 0) <= clock() - MINUTE_MS,
  });
  const recent = (all: readonly number[] = []) => all.filter((time) => time > clock() - MINUTE_MS);
  /** How long until the number of recent times is below the limit. */
  const waitMs = (taken: readonly number[], now: number): number => {
    const first = taken.at(-perMinute);
    return taken.length < perMinute || first === undefined ? 0 : first + MINUTE_MS - now;
  };

  return {
    recent,
    take(key, shared) {
      const now = clock();
      const own = recent(times.get(key));
      const retryInMs = Math.max(waitMs(own, now), waitMs(recent(shared), now));
      if (retryInMs === 0) own.push(now);
      times.set(key, own);
      return retryInMs;
    },
  };
}
