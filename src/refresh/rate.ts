/** Counts what each session causes, in a sliding minute. */
export type Rate = {
  /** Counts one more for `key` and gives 0, or gives the milliseconds until one more is allowed and counts nothing. */
  take(key: string): number;
};

const MINUTE_MS = 60_000;

/** At most `perMinute` for each key. Keys that have been quiet for a minute are forgotten. */
export function createRate(deps: { perMinute: number; clock: () => number }): Rate {
  const { perMinute, clock } = deps;
  const times = new Map<string, number[]>();
  let sweptAtMs = clock();

  const sweep = (now: number) => {
    if (now - sweptAtMs < MINUTE_MS) return;
    sweptAtMs = now;
    for (const [key, taken] of times) if ((taken.at(-1) ?? 0) <= now - MINUTE_MS) times.delete(key);
  };

  return {
    take(key) {
      const now = clock();
      sweep(now);
      const recent = (times.get(key) ?? []).filter((time) => time > now - MINUTE_MS);
      times.set(key, recent);
      const [first] = recent;
      if (recent.length >= perMinute && first !== undefined) return first + MINUTE_MS - now;
      recent.push(now);
      return 0;
    },
  };
}
