import { withTimeout } from './with-timeout.ts';

/** One run of a function, shared by all callers that wait for its result. */
export type Run<Result> = {
  /** Returns the result, or undefined after `timeoutMs`. A caller that gives up does not end the run: the others keep waiting. */
  waitFor(timeoutMs: number): Promise<Result | undefined>;
};

/** Runs a function once at a time for each key, however many callers ask for it meanwhile. */
export type SingleFlight<Result> = {
  isRunning(key: string): boolean;
  /** Joins the run of this key, or begins it. `fn` never rejects. */
  run(key: string, fn: () => Promise<Result>): Run<Result>;
  /** Settles when all current runs have ended. */
  settle(): Promise<void>;
};

/**
 * A timeout is measured in this many steps. A process that was stopped finds all its timers due before it has read what
 * arrived meanwhile: at most one step of the time in which it was stopped counts.
 */
const STEPS = 4;

export function createSingleFlight<Result>(): SingleFlight<Result> {
  const runs = new Map<string, Run<Result> & { result: Promise<Result> }>();

  return {
    isRunning: (key) => runs.has(key),

    run(key, fn) {
      const current = runs.get(key);
      if (current !== undefined) return current;
      const result = fn().finally(() => runs.delete(key));
      const run = {
        result,
        async waitFor(timeoutMs: number) {
          for (let step = 0; step < STEPS; step += 1) {
            const value = await withTimeout(result, timeoutMs / STEPS);
            if (value !== undefined) return value;
          }
          return undefined;
        },
      };
      runs.set(key, run);
      return run;
    },

    async settle() {
      await Promise.all([...runs.values()].map(({ result }) => result));
    },
  };
}
