/** Allows a burst of fetches, and then one per interval. */
export type FetchBudget = {
  /** Takes one fetch; false when none is left now. */
  take(): boolean;
};

export function createFetchBudget(deps: {
  burst: number;
  intervalMs: number;
  clock: () => number;
}): FetchBudget {
  const { burst, intervalMs, clock } = deps;
  let usedUntilMs = -Infinity;
  return {
    take() {
      const now = clock();
      const nextMs = Math.max(usedUntilMs, now) + intervalMs;
      if (nextMs - now > burst * intervalMs) return false;
      usedUntilMs = nextMs;
      return true;
    },
  };
}
