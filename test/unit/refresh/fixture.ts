import { vi } from 'vitest';
import type { Logger } from '../../../src/observability/log.ts';
import type { Provider, RefreshOutcome, RefreshRequest } from '../../../src/provider/provider.ts';
import { createLocalLocks } from '../../../src/redis/lock/local-locks.ts';
import type { Locks } from '../../../src/redis/lock/locks.ts';
import { createCircuitBreaker } from '../../../src/concurrency/circuit-breaker.ts';
import type { Credential } from '../../../src/refresh/credential.ts';
import { createTokenEndpointCall } from '../../../src/refresh/token-endpoint-call.ts';
import { createTokenRefresher, type TokenRefresher } from '../../../src/refresh/token-refresher.ts';
import { createRefreshLimit } from '../../../src/refresh/refresh-limit.ts';
import { createRefreshSuppression } from '../../../src/refresh/refresh-suppression.ts';
import { createSingleFlight } from '../../../src/concurrency/single-flight.ts';
import { createTaskTracker } from '../../../src/concurrency/task-tracker.ts';
import { createSemaphore } from '../../../src/concurrency/semaphore.ts';
import type { SessionRecord } from '../../../src/sessions/session.ts';
import { silentAudit } from '../silent-audit.ts';
import { collectLog } from '../log-lines.ts';
import { meter, openSessions, type SessionsFixture } from '../sessions/fixture.ts';
import { EXPIRED_MS, signIn } from './requests.ts';

/** A provider with scripted responses to refreshes. */
export type ScriptedProvider = {
  readonly provider: Provider;
  /** Every refresh requested so far, in order. */
  readonly calls: RefreshRequest[];
  /** The outcomes of the next refreshes, in order; later ones succeed. */
  readonly outcomes: (RefreshOutcome | Promise<RefreshOutcome>)[];
  /** Holds back the response to the next refresh until the returned function is called with its outcome. */
  hold(): (outcome: RefreshOutcome) => void;
};

/** A successful outcome: the tokens of round `n`, which live five minutes. */
export function refreshed(
  n: number,
  given: Partial<RefreshOutcome & { kind: 'refreshed' }> = {},
): RefreshOutcome {
  return {
    kind: 'refreshed',
    tokenResponse: { accessToken: `at-${n}`, expiresInSeconds: 300, refreshToken: `rt-${n}` },
    claims: undefined,
    sentAtMs: Date.now(),
    ...given,
  };
}

/** An outcome that brings no tokens. */
export const failure = {
  rejected: { kind: 'rejected', cause: new Error('invalid_grant') },
  transient: { kind: 'transient', retryAfterSeconds: undefined, cause: new Error('503') },
  ambiguous: { kind: 'ambiguous', cause: new Error('reset') },
  misconfigured: { kind: 'misconfigured', error: 'invalid_client', cause: new Error('invalid_client') },
} as const satisfies Record<string, RefreshOutcome>;

/** A provider whose refreshes succeed unless a test says otherwise; the first brings `at-2` and `rt-2`. */
export function scriptProvider(): ScriptedProvider {
  const calls: RefreshRequest[] = [];
  const outcomes: (RefreshOutcome | Promise<RefreshOutcome>)[] = [];
  const refresh = async (request: RefreshRequest) => {
    calls.push(request);
    return outcomes.shift() ?? refreshed(calls.length + 1);
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<RefreshOutcome>();
    outcomes.push(promise);
    return resolve;
  };
  return { provider: { refresh } as unknown as Provider, calls, outcomes, hold };
}

/** A refresh that has been sent to the provider, and the request that waits for it. */
export type PendingRefresh = {
  readonly record: SessionRecord;
  readonly waiting: Promise<Credential>;
  /** Ends the call of the token endpoint. */
  readonly respond: (outcome: RefreshOutcome) => void;
};

export type RefresherFixture = SessionsFixture &
  ScriptedProvider & {
    readonly refresher: TokenRefresher;
    readonly locks: Locks;
    readonly log: Logger;
    /** A session that is `ageMs` old, whose access token `at-1` lives five minutes. */
    begin(ageMs?: number): Promise<SessionRecord>;
    /** A session whose access token has expired, and a request that waits for the refresh. */
    beginRefresh(): Promise<PendingRefresh>;
    /** How many refreshes had this outcome. */
    counted(outcome: string): Promise<number>;
  };

type Settings = { retries?: number; maxPerMinute?: number; locks?: Locks };

/** How long refreshes wait for the lock, and requests for a refresh, in milliseconds. */
export const LOCK_WAIT_MS = 40_000;
export const WAIT_MS = 10_000;

/** A refresher on sessions in memory, with a scripted provider. It uses the system clock: use fake timers. */
export function openRefresher({
  retries = 2,
  maxPerMinute = 30,
  locks = createLocalLocks(),
}: Settings = {}): RefresherFixture {
  const sessionsFixture = openSessions(Date.now);
  const { sessions, metrics } = sessionsFixture;
  const scripted = scriptProvider();
  const { log, lines } = collectLog();
  const breaker = createCircuitBreaker(Date.now);
  const refresher = createTokenRefresher({
    issuer: 'https://login.example.com',
    sessions,
    callTokenEndpoint: createTokenEndpointCall({
      provider: scripted.provider,
      breaker,
      semaphore: createSemaphore(100),
      retries,
      clock: Date.now,
      log,
      metrics,
    }),
    locks,
    breaker,
    refreshLimit: createRefreshLimit({ perMinute: maxPerMinute, clock: Date.now }),
    suppression: createRefreshSuppression({ sessions, locks, lockWaitMs: LOCK_WAIT_MS, clock: Date.now }),
    refreshes: createSingleFlight(),
    backgroundTasks: createTaskTracker(),
    ahead: { kind: 'share', share: 0.2 },
    lockWaitMs: LOCK_WAIT_MS,
    spendMarkMs: WAIT_MS + 500,
    waitMs: WAIT_MS,
    clock: Date.now,
    log,
    metrics,
    audit: silentAudit,
  });
  const begin: RefresherFixture['begin'] = async (ageMs) => {
    const record = await sessionsFixture.recordOf(await sessionsFixture.signIn());
    if (ageMs !== undefined) await vi.advanceTimersByTimeAsync(ageMs);
    return record;
  };
  return {
    ...sessionsFixture,
    ...scripted,
    refresher,
    locks,
    log,
    lines,
    begin,
    beginRefresh: async () => {
      const record = await begin(EXPIRED_MS);
      const respond = scripted.hold();
      const waiting = refresher.fresh(record, signIn);
      await vi.advanceTimersByTimeAsync(0);
      return { record, waiting, respond };
    },
    counted: (outcome) => meter(metrics, 'coatcheck_refresh_total', { outcome }),
  };
}
