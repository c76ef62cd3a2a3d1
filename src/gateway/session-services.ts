import { createSealedCookies } from '../crypto/sealed-cookie.ts';
import type { Provider } from '../provider/provider.ts';
import { createCircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { BreakerState } from '../observability/metrics/services.ts';
import { createClientTokens, type ClientTokens } from '../grants/client-tokens.ts';
import { createExchangedTokens, type ExchangedTokens } from '../grants/exchanged-tokens.ts';
import { createGrantCall } from '../grants/grant-call.ts';
import { createTokenEndpointCall } from '../refresh/token-endpoint-call.ts';
import { createTokenRefresher, type TokenRefresher } from '../refresh/token-refresher.ts';
import { createRefreshLimit } from '../refresh/refresh-limit.ts';
import { createRefreshSuppression } from '../refresh/refresh-suppression.ts';
import { createSemaphore } from '../concurrency/semaphore.ts';
import { createSessions, type Sessions } from '../sessions/service.ts';
import { createStepUpLinks, type StepUpLinks } from '../sessions/step-up-links.ts';
import { createTickets, type Tickets } from '../sessions/ticket.ts';
import { refreshWaits, spendMarkMs } from '../timing.ts';
import type { Core } from './core.ts';
import type { Backends } from './backends.ts';
import { withRefreshSpans } from './tracing.ts';
import type { SharedState } from './shared-state.ts';

/** Sessions and their token refreshes. */
export type SessionServices = {
  readonly tickets: Tickets;
  readonly sessions: Sessions;
  readonly refresher: TokenRefresher;
  readonly stepUpLinks: StepUpLinks;
  /** The breaker of the token endpoint, for metrics. */
  readonly breakers: () => readonly BreakerState[];
  /** The tokens of the gateway itself, and exchanged ones; undefined for a provider that issues none. */
  readonly clientTokens: ClientTokens | undefined;
  readonly exchangedTokens: ExchangedTokens | undefined;
  /** The issuer of the tokens. */
  readonly issuer: string;
};

export function createSessionServices(
  core: Core,
  backends: Backends,
  shared: SharedState,
  provider: Provider,
): SessionServices {
  const { config, keyRing, forgedSeals, claimSelection, secure, clock, log, metrics, audit, tracing } = core;
  const { store, locks, sharedTokens, peerKeys } = backends;
  const { cache, revocations, pendingWrites, refreshes, clientTokenRenewals, backgroundTasks } = shared;
  const { session, refresh } = config;
  const { issuer } = provider;

  const tickets = createTickets({
    seals: createSealedCookies(keyRing, 'session-cookie', forgedSeals),
    secure,
    ...session.cookie,
    remembered: session.cache.maxEntries,
  });
  const sessions = createSessions({
    issuer,
    store,
    cache,
    tickets,
    revocations,
    pendingWrites,
    peerKeys,
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
  const semaphore = createSemaphore(refresh.maxConcurrent);
  const suppression = createRefreshSuppression({ sessions, locks, lockWaitMs, clock });
  const refresher = createTokenRefresher({
    issuer,
    sessions,
    ...withRefreshSpans(tracing, {
      callTokenEndpoint: createTokenEndpointCall({
        provider,
        breaker,
        semaphore,
        retries: refresh.retries,
        clock,
        log,
        metrics,
      }),
      locks,
      refreshes,
    }),
    breaker,
    refreshLimit: createRefreshLimit({ perMinute: refresh.maxPerMinute, clock }),
    suppression,
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
  const grants = provider.grants && {
    grants: provider.grants,
    callGrant: createGrantCall({ breaker, semaphore, metrics }),
    pauseMs: breaker.pauseMs,
    locks,
    backgroundTasks,
    ahead: refresh.ahead,
    lockWaitMs,
    waitMs,
    clock,
    log,
  };
  const clientTokens =
    grants && createClientTokens({ ...grants, sharedTokens, renewals: clientTokenRenewals });
  const exchangedTokens =
    grants && createExchangedTokens({ ...grants, issuer, sessions, refresher, suppression, refreshes });
  return {
    tickets,
    sessions,
    refresher,
    stepUpLinks,
    clientTokens,
    exchangedTokens,
    issuer,
    breakers: () => [{ breaker: 'token_endpoint', isOpen: breaker.pauseMs() > 0 }],
  };
}
