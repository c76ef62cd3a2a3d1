import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { VERSION } from '../version.ts';

export type RefreshOutcomeLabel = 'refreshed' | 'joined' | 'reused' | 'kept' | 'rejected' | 'failed';
export type Upstream401Action = 'replayed' | 'passed' | 'step_up';

/** The gateway's metrics. Each call is cheap enough for every request. Metric names and labels are public contract. */
export type Metrics = {
  registry: Registry;
  request(route: string, method: string, status: number, seconds: number): void;
  refresh(outcome: RefreshOutcomeLabel): void;
  /** Counts new tokens that were dropped because another write of the session came first. */
  refreshConflict(): void;
  refreshDuration(seconds: number): void;
  lockWait(seconds: number): void;
  upstream401(action: Upstream401Action): void;
  sessionStarted(): void;
  sessionEnded(reason: string): void;
  storeError(operation: string): void;
  wrongAdminToken(): void;
  /** Counts a reload of the configuration; a successful one sets the time since which it is in force. */
  configReloaded(result: 'success' | 'failure'): void;
  providerUp(up: 0 | 1): void;
  storeUp(up: 0 | 1): void;
};

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Creates the metrics in their own registry, so that two gateways in one process do not share counts. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'coatcheck_' });

  const requests = new Counter({
    name: 'coatcheck_http_requests_total',
    help: 'HTTP requests served, by route, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'coatcheck_http_request_duration_seconds',
    help: 'Time from a request to the end of its response, by route.',
    labelNames: ['route'],
    buckets: secondsBuckets,
    registers,
  });
  const refreshes = new Counter({
    name: 'coatcheck_refresh_total',
    help: 'Token refreshes, by outcome: refreshed, joined (waited for another request), reused (another process had refreshed), kept (no new token, the session stays), rejected, failed.',
    labelNames: ['outcome'],
    registers,
  });
  const refreshConflicts = new Counter({
    name: 'coatcheck_refresh_conflicts_total',
    help: 'Refreshes whose new tokens were dropped, because another write of the session came first.',
    registers,
  });
  const refreshSeconds = new Histogram({
    name: 'coatcheck_refresh_duration_seconds',
    help: 'Duration of token endpoint calls for refreshes.',
    buckets: secondsBuckets,
    registers,
  });
  const lockWaitSeconds = new Histogram({
    name: 'coatcheck_refresh_lock_wait_seconds',
    help: 'Time a refresh waits for the lock of its session.',
    buckets: secondsBuckets,
    registers,
  });
  const upstream401s = new Counter({
    name: 'coatcheck_upstream_401_total',
    help: '401 responses from upstreams, by action: replayed, passed, step_up (403 responses that require a scope, too).',
    labelNames: ['action'],
    registers,
  });
  const started = new Counter({
    name: 'coatcheck_sessions_started_total',
    help: 'Sessions started.',
    registers,
  });
  const ended = new Counter({
    name: 'coatcheck_sessions_ended_total',
    help: 'Sessions ended, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const storeErrors = new Counter({
    name: 'coatcheck_store_errors_total',
    help: 'Failed operations on the session store.',
    labelNames: ['op'],
    registers,
  });
  const wrongAdminTokens = new Counter({
    name: 'coatcheck_admin_wrong_tokens_total',
    help: 'Requests to the admin listener with a wrong token.',
    registers,
  });
  const providerUp = new Gauge({
    name: 'coatcheck_provider_up',
    aggregator: 'min',
    help: '1 while the last call to the provider succeeded, else 0.',
    registers,
  });
  const storeUp = new Gauge({
    name: 'coatcheck_store_up',
    aggregator: 'min',
    help: '1 while the session store works, else 0: from its first failure until it has worked for a while.',
    registers,
  });

  const configReloads = new Counter({
    name: 'coatcheck_config_reloads_total',
    help: 'Reloads of the configuration, by result: success, failure. Each worker process counts its own.',
    labelNames: ['result'],
    registers,
  });
  const configLoaded = new Gauge({
    name: 'coatcheck_config_loaded_timestamp_seconds',
    aggregator: 'min',
    help: 'When the configuration in force was loaded, in seconds since the epoch; of several workers, the earliest.',
    registers,
  });
  for (const result of ['success', 'failure']) configReloads.inc({ result }, 0);
  configLoaded.setToCurrentTime();
  new Gauge({
    name: 'coatcheck_build_info',
    aggregator: 'first',
    help: 'Always 1; the labels are the versions of the gateway and of Node.js.',
    labelNames: ['version', 'node_version'],
    registers,
  }).set({ version: VERSION, node_version: process.version }, 1);

  const countRequest = cachedByLabels((route, method, status) => requests.labels(route, method, status));
  const timeRequest = cachedByLabels((route) => durations.labels(route));

  return {
    registry,
    request(route, method, status, seconds) {
      countRequest(route, method, String(status)).inc();
      timeRequest(route, '', '').observe(seconds);
    },
    refresh: (outcome) => refreshes.inc({ outcome }),
    refreshConflict: () => refreshConflicts.inc(),
    refreshDuration: (seconds) => refreshSeconds.observe(seconds),
    lockWait: (seconds) => lockWaitSeconds.observe(seconds),
    upstream401: (action) => upstream401s.inc({ action }),
    sessionStarted: () => started.inc(),
    sessionEnded: (reason) => ended.inc({ reason }),
    storeError: (op) => storeErrors.inc({ op }),
    wrongAdminToken: () => wrongAdminTokens.inc(),
    configReloaded(result) {
      configReloads.inc({ result });
      if (result === 'success') configLoaded.setToCurrentTime();
    },
    providerUp: (up) => providerUp.set(up),
    storeUp: (up) => storeUp.set(up),
  };
}

/** Caches the child metric of each label set: prom-client 15 hashes the labels on every call. There are few label sets. */
function cachedByLabels<Child>(make: (a: string, b: string, c: string) => Child) {
  const children = new Map<string, Child>();
  return (a: string, b: string, c: string): Child => {
    const key = `${a}\n${b}\n${c}`;
    let child = children.get(key);
    if (child === undefined) children.set(key, (child = make(a, b, c)));
    return child;
  };
}
