import { createSealedCookies } from '../crypto/sealed-cookie.ts';
import type { Provider } from '../provider/provider.ts';
import { createCircuitBreaker } from '../concurrency/circuit-breaker.ts';
import { createTokenEndpointCall } from '../refresh/token-endpoint-call.ts';
import { createSlidingWindow } from '../concurrency/sliding-window.ts';
import { createTokenRefresher, type TokenRefresher } from '../refresh/token-refresher.ts';
import { createRefreshSuppression } from '../refresh/refresh-suppression.ts';
import { createSemaphore } from '../concurrency/semaphore.ts';
import { createSessions, type Sessions } from '../sessions/service.ts';
import { createStepUpLinks, type StepUpLinks } from '../sessions/step-up-links.ts';
import { createTickets, type Tickets } from '../sessions/ticket.ts';
import { refreshWaits, spendMarkMs } from '../timing.ts';
import type { Core } from './core.ts';
import type { Backends } from './backends.ts';
import type { SharedState } from './shared-state.ts';

/** Sessions and their token refreshes. */
export type SessionServices = {
  readonly tickets: Tickets;
  readonly sessions: Sessions;
  readonly refresher: TokenRefresher;
  readonly stepUpLinks: StepUpLinks;
};

export function createSessionServices(
  core: Core,
  backends: Backends,
  shared: SharedState,
  provider: Provider,
): SessionServices {
  const { config, keyRing, forgedSeals, claimSelection, secure, clock, log, metrics, audit } = core;
  const { store, locks } = backends;
  const { cache, revocations, pendingWrites, refreshes, backgroundTasks } = shared;
  const { session, refresh } = config;

  const tickets = createTickets({
    seals: createSealedCookies(keyRing, 'session-cookie', forgedSeals),
    secure,
    ...session.cookie,
    remembered: session.cache.maxEntries,
  });
  const sessions = createSessions({
    store,
    cache,
    tickets,
    revocations,
    pendingWrites,
    backgroundTasks,
    claimSelection,
    idleTimeout: session.idleTimeout,
    absoluteTimeout: session.absoluteTimeout,
    maxPerUser: session.maxPerUser,
    clock,
    log,
    metrics,
    audit,
  });
  const { lockWaitMs, waitMs } = refreshWaits(refresh);
  const breaker = createCircuitBreaker(clock);
  const refresher = createTokenRefresher({
    sessions,
    callTokenEndpoint: createTokenEndpointCall({
      provider,
      breaker,
      semaphore: createSemaphore(refresh.maxConcurrent),
      retries: refresh.retries,
      clock,
      log,
      metrics,
    }),
    locks,
    breaker,
    sessionLimit: createSlidingWindow({ perMinute: refresh.maxPerMinute, clock }),
    suppression: createRefreshSuppression({ sessions, locks, lockWaitMs, clock }),
    refreshes,
    backgroundTasks,
    ahead: refresh.ahead,
    lockWaitMs,
    spendMarkMs: spendMarkMs(refresh),
    waitMs,
    clock,
    log,
    metrics,
    audit,
  });
  const stepUpLinks = createStepUpLinks({
    seals: createSealedCookies(keyRing, 'step-up'),
    redirectLoginUrl: provider.redirectLogin && `${config.login.prefix}/login`,
    clock,
  });
  return { tickets, sessions, refresher, stepUpLinks };
}
