import type { Logger } from './log.ts';

/** Limits a warning that any client can cause to one line per interval, which states the number of omitted warnings. */
export type LimitedWarning = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export function createLimitedWarning(deps: {
  log: Logger;
  intervalMs: number;
  clock: () => number;
}): LimitedWarning {
  const { log, intervalMs, clock } = deps;
  let loggedAtMs = -Infinity;
  let omitted = 0;

  return (fields, message) => {
    if (clock() - loggedAtMs < intervalMs) {
      omitted += 1;
      return;
    }
    log.warn(omitted === 0 ? fields : { ...fields, omitted }, message);
    loggedAtMs = clock();
    omitted = 0;
  };
}
