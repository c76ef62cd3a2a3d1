import { createBoundedMap } from './bounded-map.ts';

/** Counts what each session causes, in a sliding minute. */
export type SlidingWindow = {
  /**
   * Counts one more for `key` and gives 0, or gives the milliseconds until one more is allowed and counts nothing.
   * `elsewhere` are the times that its record tells, which is where all processes see what the others did.
   */
  take(key: string, elsewhere?: readonly number[]): number;
  /** Those of some times that still count. */
  recent(times: readonly number[] | undefined): readonly number[];
};

const MINUTE_MS = 60_000;

/** At most `perMinute` for each key. Keys that have been quiet for a minute are forgotten. */
export function createSlidingWindow(deps: { perMinute: number; clock: () => number }): SlidingWindow {
  const { perMinute, clock } = deps;
  const times = createBoundedMap<string, number[]>({
    maxEntries: Infinity,
    isExpired: (taken) => (taken.at(-1) ?? 0) <= clock() - MINUTE_MS,
  });
  const recent = (all: readonly number[] = []) => all.filter((time) => time > clock() - MINUTE_MS);
  /** How long until there is room beside some recent times. */
  const waitMs = (taken: readonly number[], now: number): number => {
    const first = taken.at(-perMinute);
    return taken.length < perMinute || first === undefined ? 0 : first + MINUTE_MS - now;
  };

  return {
    recent,
    take(key, elsewhere) {
      const now = clock();
      const own = recent(times.get(key));
      const tooSoonMs = Math.max(waitMs(own, now), waitMs(recent(elsewhere), now));
      if (tooSoonMs === 0) own.push(now);
      times.set(key, own);
      return tooSoonMs;
    },
  };
}
