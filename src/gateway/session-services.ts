import { createSealedCookies } from '../crypto/sealed-cookie.ts';
import type { Provider } from '../provider/provider.ts';
import { createBreaker } from '../concurrency/circuit-breaker.ts';
import { createRefreshExchange } from '../refresh/token-endpoint-call.ts';
import { createRate } from '../concurrency/sliding-window.ts';
import { createRefresher, type Refresher } from '../refresh/token-refresher.ts';
import { createRefusals } from '../refresh/refresh-suppression.ts';
import { createTurnstile } from '../concurrency/semaphore.ts';
import { createReadCache } from '../sessions/read-cache.ts';
import { createRevocations } from '../sessions/revocation/revocation.ts';
import { createSessions, type Sessions } from '../sessions/service.ts';
import { createTickets, type Tickets } from '../sessions/ticket.ts';
import { createUnsavedSessions } from '../sessions/pending-writes.ts';
import type { Ground } from './core.ts';
import { revocationLeaseMs, type SharedState } from './backends.ts';

/** What keeps people signed in. */
export type Keeping = {
  readonly tickets: Tickets;
  readonly sessions: Sessions;
  readonly refresher: Refresher;
};

export function createKeeping(ground: Ground, state: SharedState, provider: Provider): Keeping {
  const { config, keyRing, secure, clock, log, metrics } = ground;
  const { store, locks, outbox } = state;
  const { session, refresh } = config;

  const tickets = createTickets({
    seals: createSealedCookies(keyRing, 'session-cookie'),
    secure,
    sameSite: session.cookie.sameSite,
    remembered: session.cache.maxEntries,
  });
  const sessions = createSessions({
    store,
    cache: createReadCache({ store, clock, ...session.cache }),
    tickets,
    revocations: createRevocations({
      provider,
      durable: outbox,
      leaseMs: revocationLeaseMs(config),
      clock,
      log,
    }),
    unsaved: createUnsavedSessions({ store, clock, log }),
    idleTimeout: session.idleTimeout,
    absoluteTimeout: session.absoluteTimeout,
    maxPerUser: session.maxPerUser,
    clock,
    log,
    metrics,
  });
  const breaker = createBreaker(clock);
  const refresher = createRefresher({
    sessions,
    exchange: createRefreshExchange({
      provider,
      breaker,
      turnstile: createTurnstile(refresh.maxConcurrent),
      retries: refresh.retries,
      clock,
      log,
      metrics,
    }),
    locks,
    breaker,
    rate: createRate({ perMinute: refresh.maxPerMinute, clock }),
    refusals: createRefusals(clock),
    ahead: refresh.ahead,
    lockWaitMs: refresh.lockTtl + refresh.timeout,
    waitMs: refresh.timeout,
    clock,
    log,
    metrics,
  });
  return { tickets, sessions, refresher };
}
