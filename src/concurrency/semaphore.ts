/** Lets a bounded number of callers through at once; the others wait in the order in which they came. */
export type Semaphore = { run<Result>(action: () => Promise<Result>): Promise<Result> };

export function createSemaphore(limit: number): Semaphore {
  const waiting: (() => void)[] = [];
  let inside = 0;

  return {
    async run(action) {
      if (inside >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
      else inside += 1;
      try {
        return await action();
      } finally {
        // The place is handed on as it is: nobody new can slip in between.
        const next = waiting.shift();
        if (next === undefined) inside -= 1;
        else next();
      }
    },
  };
}
