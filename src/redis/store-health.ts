import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { STORE_RECOVERY_MS, STORE_REPORT_INTERVAL_MS } from '../timing.ts';

/**
 * Whether the session store works, for the log and the metrics. It is down from the first failure until operations have
 * succeeded for a while without another failure, so that a store that fails now and then is down, not up and down.
 */
export type StoreHealth = {
  succeeded(): void;
  /** Counts a failure; `operation` is `connect` for a connection that is lost or refused. */
  failed(operation: string, error: unknown): void;
  isUp(): boolean;
  close(): void;
};

/** An outage in progress, with its failures by operation since the last log line and since its beginning. */
type Outage = {
  readonly beganAtMs: number;
  total: number;
  recent: Record<string, number>;
  lastError: unknown;
  lastFailureAtMs: number;
  hasSucceededSince: boolean;
  readonly reports: NodeJS.Timeout;
};

/** Logs one line when the store fails, one when it works again, and the number of failures at intervals in between. */
export function createStoreHealth(deps: { log: Logger; metrics: Metrics }): StoreHealth {
  const { log, metrics } = deps;
  let isUp = false;
  let outage: Outage | undefined;
  let recovery: NodeJS.Timeout | undefined;

  const begin = (error: unknown): Outage => {
    isUp = false;
    metrics.storeUp(0);
    log.error({ err: error }, 'session store unavailable');
    const begun: Outage = {
      beganAtMs: performance.now(),
      total: 0,
      recent: {},
      lastError: error,
      lastFailureAtMs: 0,
      hasSucceededSince: false,
      reports: setInterval(report, STORE_REPORT_INTERVAL_MS),
    };
    begun.reports.unref();
    return begun;
  };
  const report = () => {
    if (outage === undefined || Object.keys(outage.recent).length === 0) return;
    const { recent: failures, lastError: err } = outage;
    outage.recent = {};
    log.error({ failures, err }, 'session store still unavailable');
  };
  /** Ends the outage, if operations succeed and none has failed for a while. */
  const endIfOver = () => {
    if (outage === undefined || !outage.hasSucceededSince) return;
    const now = performance.now();
    if (now - outage.lastFailureAtMs < STORE_RECOVERY_MS) return;
    const { beganAtMs, total } = outage;
    close();
    outage = undefined;
    setUp();
    log.info({ durationMs: Math.round(now - beganAtMs), failures: total }, 'session store available again');
  };
  const setUp = () => {
    isUp = true;
    metrics.storeUp(1);
  };
  const close = () => {
    clearInterval(outage?.reports);
    clearTimeout(recovery);
  };

  return {
    succeeded() {
      if (isUp) return;
      if (outage === undefined) return setUp();
      outage.hasSucceededSince = true;
      endIfOver();
    },
    failed(operation, error) {
      outage ??= begin(error);
      outage.total += 1;
      outage.recent[operation] = (outage.recent[operation] ?? 0) + 1;
      outage.lastError = error;
      outage.lastFailureAtMs = performance.now();
      outage.hasSucceededSince = false;
      // Without requests, nothing else would notice that the time has passed.
      clearTimeout(recovery);
      recovery = setTimeout(endIfOver, STORE_RECOVERY_MS);
      recovery.unref();
    },
    isUp: () => isUp,
    close,
  };
}
