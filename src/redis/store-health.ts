import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createOutageLog, type OutageLog } from '../observability/outage-log.ts';

/**
 * Whether the session store works, for the log and the metrics. The operation `connect` stands for a connection that is lost
 * or refused.
 */
export function createStoreHealth(deps: { log: Logger; metrics: Metrics }): OutageLog {
  const { log, metrics } = deps;
  return createOutageLog({
    messages: {
      began: 'session store unavailable',
      goesOn: 'session store still unavailable',
      ended: 'session store available again',
    },
    log,
    onChange: (state) => metrics.storeUp(state === 'up' ? 1 : 0),
  });
}
