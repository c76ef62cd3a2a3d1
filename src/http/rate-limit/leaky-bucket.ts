import { createBoundedMap } from '../../concurrency/bounded-map.ts';

/** Leaky buckets by subject, in this process (GCRA): each use fills one up a little, and it runs dry by itself. */
export type LeakyBuckets = {
  /** Pours in once more for a subject and gives 0, or gives the milliseconds until there is room, and pours in nothing. */
  tryTake(subject: string): number;
  /** Leaves no room in a subject's bucket for at least `waitMs`. */
  block(subject: string, waitMs: number): void;
};

/** How many subjects are remembered; those that were quiet longest are forgotten first. */
const MAX_SUBJECTS = 100_000;

/** Buckets that take `sizeMs` in portions of `portionMs`; in each millisecond one millisecond runs out. */
export function createLeakyBuckets(deps: {
  sizeMs: number;
  portionMs: number;
  clock: () => number;
}): LeakyBuckets {
  const { sizeMs, portionMs, clock } = deps;
  /** When a bucket is dry, in milliseconds since the epoch. */
  const dryAtMs = createBoundedMap<string, number>({
    maxEntries: MAX_SUBJECTS,
    isExpired: (atMs) => atMs <= clock(),
  });

  return {
    tryTake(subject) {
      const now = clock();
      const atMs = Math.max(now, dryAtMs.get(subject) ?? 0) + portionMs;
      const waitMs = atMs - now - sizeMs;
      if (waitMs > 0) return waitMs;
      dryAtMs.set(subject, atMs);
      return 0;
    },
    block(subject, waitMs) {
      const now = clock();
      dryAtMs.set(subject, Math.max(now + sizeMs - portionMs + waitMs, dryAtMs.get(subject) ?? 0));
    },
  };
}
