/** Runs a bounded number of actions at once; the others wait in the order in which they came. */
export type Semaphore = { run<Result>(action: () => Promise<Result>): Promise<Result> };

export function createSemaphore(limit: number): Semaphore {
  const waiting: (() => void)[] = [];
  let running = 0;

  return {
    async run(action) {
      if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
      else running += 1;
      try {
        return await action();
      } finally {
        // The permit passes to the next in line: no newcomer can take it in between.
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}
