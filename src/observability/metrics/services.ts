import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { VERSION } from '../../version.ts';
import { cachedByLabels, SECONDS_BUCKETS } from './children.ts';

/** A circuit breaker; `route` for one that each route has. */
export type BreakerState = {
  readonly breaker: 'token_endpoint' | 'upstream_401';
  readonly route?: string;
  readonly isOpen: boolean;
};

/** A token that the provider issues for a route, as in `routes[].token`. */
export type RouteToken = 'client' | 'exchange';

/** Metrics of what the gateway depends on, and of its configuration. */
export type ServiceMetrics = {
  /** Counts a request for the token of a route, and its time. */
  tokenGrant(token: RouteToken, outcome: TokenGrantOutcome, seconds: number): void;
  /** The time of one operation on the store, and whether it failed. */
  storeOperation(op: string, seconds: number): void;
  storeError(op: string): void;
  wrongAdminToken(): void;
  /** Counts a reload of the configuration; a successful one sets the time since which it is in force. */
  configReloaded(result: 'success' | 'failure'): void;
  providerUp(up: 0 | 1): void;
  storeUp(up: 0 | 1): void;
};

type TokenGrantOutcome = 'issued' | 'refused' | 'invalid' | 'unavailable';

/** Redis responds within a millisecond, or something is wrong. */
const STORE_BUCKETS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

export function createServiceMetrics(
  registry: Registry,
  {
    breakers,
    storeKeys,
  }: {
    breakers: () => readonly BreakerState[];
    /** Gives what is known without waiting; undefined when nothing is. */
    storeKeys: () => number | undefined;
  },
): ServiceMetrics {
  const registers = [registry];
  const storeSeconds = new Histogram({
    name: 'coatcheck_store_operation_seconds',
    help: 'Duration of operations on the session store, by operation.',
    labelNames: ['op'],
    buckets: STORE_BUCKETS,
    registers,
  });
  const storeErrors = new Counter({
    name: 'coatcheck_store_errors_total',
    help: 'Failed operations on the session store.',
    labelNames: ['op'],
    registers,
  });
  new Gauge({
    name: 'coatcheck_store_keys',
    aggregator: 'max',
    help: 'Keys with an expiry in the database of the store, of all replicas: one for each live session, and index entries.',
    registers,
    collect() {
      const count = storeKeys();
      if (count === undefined) this.remove();
      else this.set(count);
    },
  });
  const tokenGrants = new Counter({
    name: 'coatcheck_token_grants_total',
    help: 'Requests to the provider for tokens of routes, by token: client, exchange; and by outcome: issued, refused, invalid (no usable token in the response), unavailable.',
    labelNames: ['token', 'outcome'],
    registers,
  });
  const tokenGrantSeconds = new Histogram({
    name: 'coatcheck_token_grant_duration_seconds',
    help: 'Duration of requests to the provider for tokens of routes.',
    labelNames: ['token'],
    buckets: SECONDS_BUCKETS,
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
  new Gauge({
    name: 'coatcheck_breaker_open',
    aggregator: 'max',
    help: '1 while a circuit breaker is open, else 0: token_endpoint (no refresh is tried), or upstream_401 of a route (its 401s cause no refresh).',
    labelNames: ['breaker', 'route'],
    registers,
    collect() {
      // A reload may have removed routes.
      this.reset();
      for (const { breaker, route = '', isOpen } of breakers()) this.set({ breaker, route }, isOpen ? 1 : 0);
    },
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

  const timeStore = cachedByLabels((op) => storeSeconds.labels(op));

  return {
    tokenGrant(token, outcome, seconds) {
      tokenGrants.inc({ token, outcome });
      tokenGrantSeconds.observe({ token }, seconds);
    },
    storeOperation: (op, seconds) => timeStore(op).observe(seconds),
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
