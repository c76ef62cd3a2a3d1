import { OUTAGE_RECOVERY_MS, OUTAGE_REPORT_INTERVAL_MS } from '../timing.ts';
import type { Logger } from './log.ts';

/**
 * Logs the outages of a dependency: one line when it fails, one when it works again, and the number of failures at intervals
 * in between. It is down from the first failure until calls have succeeded for a while without another failure, so that one
 * that fails now and then is down, not up and down.
 */
export type OutageLog = {
  succeeded(): void;
  /** Counts a failure of an operation. */
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

export function createOutageLog(deps: {
  messages: { readonly began: string; readonly goesOn: string; readonly ended: string };
  log: Logger;
  /** Called with the new state when it changes, and with the first one. */
  onChange?: (state: 'up' | 'down') => void;
}): OutageLog {
  const { messages, log, onChange = () => undefined } = deps;
  let isUp = false;
  let outage: Outage | undefined;
  let recovery: NodeJS.Timeout | undefined;

  const begin = (error: unknown): Outage => {
    isUp = false;
    onChange('down');
    log.error({ err: error }, messages.began);
    const begun: Outage = {
      beganAtMs: performance.now(),
      total: 0,
      recent: {},
      lastError: error,
      lastFailureAtMs: 0,
      hasSucceededSince: false,
      reports: setInterval(report, OUTAGE_REPORT_INTERVAL_MS),
    };
    begun.reports.unref();
    return begun;
  };
  const report = () => {
    if (outage === undefined || Object.keys(outage.recent).length === 0) return;
    const { recent: failures, lastError: err } = outage;
    outage.recent = {};
    log.error({ failures, err }, messages.goesOn);
  };
  /** Ends the outage, if calls succeed and none has failed for a while. */
  const endIfOver = () => {
    if (outage === undefined || !outage.hasSucceededSince) return;
    const now = performance.now();
    if (now - outage.lastFailureAtMs < OUTAGE_RECOVERY_MS) return;
    const { beganAtMs, total } = outage;
    close();
    outage = undefined;
    setUp();
    log.info({ durationMs: Math.round(now - beganAtMs), failures: total }, messages.ended);
  };
  const setUp = () => {
    isUp = true;
    onChange('up');
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
      recovery = setTimeout(endIfOver, OUTAGE_RECOVERY_MS);
      recovery.unref();
    },
    isUp: () => isUp,
    close,
  };
}
