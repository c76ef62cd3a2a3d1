import { createBoundedMap } from './bounded-map.ts';

/** Leaky buckets in this process, one per subject (GCRA). Each use fills a bucket; it drains over time. */
export type LeakyBuckets = {
  /** Counts one use and returns 0. If the bucket is full, counts nothing and returns the milliseconds until it has room. */
  tryTake(subject: string): number;
  /** Returns the milliseconds until a subject's bucket has room for one use; 0 if it has. Counts nothing. */
  waitMs(subject: string): number;
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

  /** When a bucket would be empty after one more use. */
  const emptyAfterUseMs = (subject: string, now: number) =>
    Math.max(now, emptyAtMs.get(subject) ?? 0) + costMs;
  const waitUntilRoomMs = (atMs: number, now: number) => Math.max(0, atMs - now - sizeMs);

  return {
    tryTake(subject) {
      const now = clock();
      const atMs = emptyAfterUseMs(subject, now);
      const waitMs = waitUntilRoomMs(atMs, now);
      if (waitMs === 0) emptyAtMs.set(subject, atMs);
      return waitMs;
    },
    waitMs(subject) {
      const now = clock();
      return waitUntilRoomMs(emptyAfterUseMs(subject, now), now);
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
