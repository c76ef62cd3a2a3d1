import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import { GatewayError } from '../../errors.ts';
import { createLogLimit, type LogLimit } from '../../observability/log-limit.ts';
import type { Logger } from '../../observability/log.ts';
import { OUTAGE_REPORT_INTERVAL_MS } from '../../timing.ts';

/** The Retry-After for a session that is sealed with another process's secret, as during a rolling restart. */
export const UNKNOWN_KEY_RETRY_SECONDS = 5;

/** The error for a session that another process can serve. */
export function unknownKey(cause?: unknown): GatewayError {
  return new GatewayError('store_unavailable', {
    detail: 'This session was written with a secret that this process does not have yet.',
    retryAfterSeconds: UNKNOWN_KEY_RETRY_SECONDS,
    cause,
  });
}

/** Warns of a key that this process lacks: one line for each key at intervals, with the number of lines left out. */
export type UnknownKeyLog = (keyId: number) => void;

/** How many keys are told apart; no deployment has as many. */
const MAX_KEYS = 100;

export function createUnknownKeyLog(deps: {
  log: Logger;
  clock: () => number;
  message: string;
}): UnknownKeyLog {
  const { log, clock, message } = deps;
  const limits = createBoundedMap<number, LogLimit>({ maxEntries: MAX_KEYS });
  return (keyId) => {
    const limit = limits.get(keyId) ?? createLogLimit({ intervalMs: OUTAGE_REPORT_INTERVAL_MS, clock });
    limits.set(keyId, limit);
    const due = limit.take();
    if (due !== undefined) log.warn({ keyId, ...due }, message);
  };
}
