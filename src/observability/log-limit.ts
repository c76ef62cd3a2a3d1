import type { Logger } from './log.ts';

/** Decides whether a line is logged that many requests can cause: one per interval. */
export type LogLimit = {
  /** Gives the fields of a line that is due: `omitted`, the number of lines left out since the last. Undefined if none is. */
  take(): { readonly omitted?: number } | undefined;
};

export function createLogLimit(deps: { intervalMs: number; clock: () => number }): LogLimit {
  const { intervalMs, clock } = deps;
  let loggedAtMs = -Infinity;
  let omitted = 0;

  return {
    take() {
      if (clock() - loggedAtMs < intervalMs) {
        omitted += 1;
        return undefined;
      }
      const fields = omitted === 0 ? {} : { omitted };
      loggedAtMs = clock();
      omitted = 0;
      return fields;
    },
  };
}

/** Limits a warning that any client can cause to one line per interval, which states the number of omitted warnings. */
export type LimitedWarning = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export function createLimitedWarning(deps: {
  log: Logger;
  intervalMs: number;
  clock: () => number;
}): LimitedWarning {
  const limit = createLogLimit(deps);
  return (fields, message) => {
    const due = limit.take();
    if (due !== undefined) deps.log.warn({ ...fields, ...due }, message);
  };
}
