import { createWrongTokenLimit } from '../admin/token-check.ts';
import { createSingleFlight, type SingleFlight } from '../concurrency/single-flight.ts';
import { createTaskTracker, type TaskTracker } from '../concurrency/task-tracker.ts';
import type { Config } from '../config/schema/schema.ts';
import { createConnectionStates, type ConnectionStates } from '../http/inbound/guard.ts';
import { createFailureLimit, type FailureLimit } from '../http/rate-limit/failure-limit.ts';
import { createRateLimits, type RateLimits } from '../http/rate-limit/rate-limit.ts';
import type { Renewal } from '../grants/client-tokens.ts';
import { createWriteBatch, type WriteBatch } from '../performance/write-batch.ts';
import type { Provider } from '../provider/provider.ts';
import { createConcurrencyLimit, type ConcurrencyLimit } from '../proxy/concurrency-limit.ts';
import { createEventStreams, type EventStreams } from '../proxy/response/event-streams.ts';
import type { Route } from '../proxy/routes.ts';
import { createRouteSlots, type RouteSlots } from '../proxy/upstream/connection-slots.ts';
import { createTunnels, type Tunnels } from '../proxy/websocket/tunnel.ts';
import type { RefreshResult } from '../refresh/refresh-result.ts';
import { createEndWatcher, type EndWatcher } from '../sessions/end-watcher.ts';
import { createPendingWrites, type PendingWrites } from '../sessions/pending-writes.ts';
import { createReadCache, type ReadCache } from '../sessions/read-cache.ts';
import { createRevocations, type Revocations } from '../sessions/revocation/revocation.ts';
import { revocationLeaseMs } from '../timing.ts';
import type { Backends } from './backends.ts';
import type { Core } from './core.ts';

/** The state of this process that outlives a reload: what is in progress, what is counted, and what is remembered. */
export type SharedState = {
  readonly cache: ReadCache;
  readonly pendingWrites: PendingWrites;
  readonly revocations: Revocations;
  readonly endWatcher: EndWatcher;
  readonly refreshes: SingleFlight<RefreshResult>;
  readonly clientTokenRenewals: SingleFlight<Renewal>;
  readonly backgroundTasks: TaskTracker;
  readonly connectionStates: ConnectionStates;
  readonly rateLimits: RateLimits;
  readonly concurrencyLimit: ConcurrencyLimit;
  readonly wrongAdminTokens: FailureLimit;
  /** Counts access tokens of callers that are not valid. */
  readonly invalidTokens: FailureLimit;
  readonly routeSlots: (routes: readonly Route[]) => RouteSlots;
  readonly tunnels: Tunnels;
  readonly eventStreams: EventStreams;
  readonly writeBatch: WriteBatch;
};

/** How many access tokens that are not valid one address may send in a minute to one process. */
const INVALID_TOKENS_PER_MINUTE = 60;

/** `current` gives the configuration and the provider in force. */
export function createSharedState(
  core: Core,
  { store, outbox, rateCounters }: Backends,
  current: { config: () => Config; provider: () => Provider },
): SharedState {
  const { config, clock, log } = core;
  return {
    cache: createReadCache({ store, clock, ...config.session.cache }),
    pendingWrites: createPendingWrites({ store, clock, log }),
    revocations: createRevocations({
      provider: {
        get issuer() {
          return current.provider().issuer;
        },
        revoke: (refreshToken) => current.provider().revoke(refreshToken),
      },
      durable: outbox,
      get leaseMs() {
        return revocationLeaseMs(current.config().provider);
      },
      clock,
      log,
    }),
    endWatcher: createEndWatcher({ store, clock }),
    refreshes: createSingleFlight(),
    clientTokenRenewals: createSingleFlight(),
    backgroundTasks: createTaskTracker(),
    connectionStates: createConnectionStates(),
    rateLimits: createRateLimits({ rateCounters, clock }),
    concurrencyLimit: createConcurrencyLimit(),
    wrongAdminTokens: createWrongTokenLimit(clock),
    invalidTokens: createFailureLimit({
      name: 'invalidTokens',
      perMinute: INVALID_TOKENS_PER_MINUTE,
      clock,
    }),
    routeSlots: createRouteSlots(),
    tunnels: createTunnels(),
    eventStreams: createEventStreams(),
    writeBatch: createWriteBatch(),
  };
}
