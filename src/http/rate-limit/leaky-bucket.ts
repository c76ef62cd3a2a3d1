import { createBoundedMap } from '../../concurrency/bounded-map.ts';

/** Leaky buckets in this process, one per subject (GCRA). Each use fills a bucket; it drains over time. */
export type LeakyBuckets = {
  /** Counts one use and returns 0. If the bucket is full, counts nothing and returns the milliseconds until it has room. */
  tryTake(subject: string): number;
  /** Takes back one use that was counted. */
  giveBack(subject: string): void;
  /** Keeps a subject's bucket full for at least `waitMs`. */
  block(subject: string, waitMs: number): void;
};

/** The number of subjects kept; the least recently counted ones are evicted first. */
const MAX_SUBJECTS = 100_000;

/** Buckets of capacity `sizeMs`. Each use adds `costMs`; a bucket drains by one millisecond per millisecond. */
export function createLeakyBuckets(deps: {
  sizeMs: number;
  costMs: number;
  clock: () => number;
}): LeakyBuckets {
  const { sizeMs, costMs, clock } = deps;
  /** When each bucket is empty, in milliseconds since the epoch. */
  const emptyAtMs = createBoundedMap<string, number>({
    maxEntries: MAX_SUBJECTS,
    isExpired: (atMs) => atMs <= clock(),
  });

  return {
    tryTake(subject) {
      const now = clock();
      const atMs = Math.max(now, emptyAtMs.get(subject) ?? 0) + costMs;
      const waitMs = atMs - now - sizeMs;
      if (waitMs > 0) return waitMs;
      emptyAtMs.set(subject, atMs);
      return 0;
    },
    giveBack(subject) {
      const atMs = emptyAtMs.get(subject);
      if (atMs !== undefined) emptyAtMs.set(subject, atMs - costMs);
    },
    block(subject, waitMs) {
      const now = clock();
      emptyAtMs.set(subject, Math.max(now + sizeMs - costMs + waitMs, emptyAtMs.get(subject) ?? 0));
    },
  };
}
