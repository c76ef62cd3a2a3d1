/**
 * A function that runs `fn` once at a time: a call during a run gets the result or the error of that run, and the next call
 * begins another one.
 */
export function shareRuns<Result>(fn: () => Promise<Result>): () => Promise<Result> {
  let current: Promise<Result> | undefined;
  return () => (current ??= fn().finally(() => (current = undefined)));
}
