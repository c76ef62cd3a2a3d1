/** The range of the pauses of a back-off, in milliseconds. */
export type BackoffRange = { readonly firstMs: number; readonly longestMs: number };

/** How many times a pause doubles at most: an exponent without a bound would overflow. */
const MAX_DOUBLINGS = 20;

/** The pause after so many failures in a row, in milliseconds: it doubles with each up to `longestMs`, and is jittered. */
export function backoffMs(failures: number, range: BackoffRange): number {
  return jittered(unjitteredBackoffMs(failures, range));
}

/** The same without jitter, for actions of one process only, or those that must happen within a known time. */
export function unjitteredBackoffMs(failures: number, { firstMs, longestMs }: BackoffRange): number {
  const doublings = Math.min(Math.max(failures - 1, 0), MAX_DOUBLINGS);
  return Math.min(longestMs, firstMs * 2 ** doublings);
}

/**
 * A random duration between `from` and `to` times `ms`, so that processes that failed together do not try again together.
 * By default it is shortened by up to a quarter.
 */
export function jittered(ms: number, from = 0.75, to = 1): number {
  return ms * (from + Math.random() * (to - from));
}
