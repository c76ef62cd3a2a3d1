import { vi } from 'vitest';
import type { Logger } from '../../../src/observability/log.ts';
import type { Provider, RefreshOutcome, RefreshRequest } from '../../../src/provider/provider.ts';
import { createLocalLocks, type Locks } from '../../../src/redis/lock.ts';
import { createCircuitBreaker } from '../../../src/concurrency/circuit-breaker.ts';
import type { Credential } from '../../../src/refresh/credential.ts';
import { createTokenEndpointCall } from '../../../src/refresh/token-endpoint-call.ts';
import { createSlidingWindow } from '../../../src/concurrency/sliding-window.ts';
import { createTokenRefresher, type TokenRefresher } from '../../../src/refresh/token-refresher.ts';
import { createRefreshSuppression } from '../../../src/refresh/refresh-suppression.ts';
import { createSemaphore } from '../../../src/concurrency/semaphore.ts';
import type { SessionRecord } from '../../../src/sessions/session.ts';
import { collectLog } from '../log-lines.ts';
import { meter, openSessions, type SessionsRig } from '../sessions/rig.ts';
import { OVER_MS, signIn } from './requests.ts';

/** A provider that answers refreshes as a test says. */
export type ScriptedProvider = {
  readonly provider: Provider;
  /** Every refresh asked for, in order. */
  readonly calls: RefreshRequest[];
  /** How the next refreshes end, in turn; when there are no more they succeed. */
  readonly outcomes: (RefreshOutcome | Promise<RefreshOutcome>)[];
  /** Holds one of the next refreshes up, until the function that it gives says how that one ends. */
  hold(): (outcome: RefreshOutcome) => void;
};

/** A successful answer: the tokens of round `n`, which live five minutes. */
export function refreshed(
  n: number,
  given: Partial<RefreshOutcome & { kind: 'refreshed' }> = {},
): RefreshOutcome {
  return {
    kind: 'refreshed',
    answer: { accessToken: `at-${n}`, expiresInSeconds: 300, refreshToken: `rt-${n}` },
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

/** Opens a provider that succeeds unless it is told otherwise; the first renewal brings `at-2` and `rt-2`. */
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

/** A renewal that has been sent, and the request that waits for it. */
export type Renewal = {
  readonly stored: SessionRecord;
  readonly waiting: Promise<Credential>;
  /** Says how the renewal ends. */
  readonly answer: (outcome: RefreshOutcome) => void;
};

export type RefresherRig = SessionsRig &
  ScriptedProvider & {
    readonly refresher: TokenRefresher;
    readonly locks: Locks;
    readonly log: Logger;
    /** Signs a person in, so long ago; gives the session, whose access token `at-1` lives five minutes. */
    begin(ageMs?: number): Promise<SessionRecord>;
    /** Signs a person in, and begins a request once the token is over. */
    beginRenewal(): Promise<Renewal>;
    /** How many refreshes had this outcome. */
    counted(outcome: string): Promise<number>;
  };

type Settings = { retries?: number; maxPerMinute?: number; locks?: Locks };

/** How long requests wait in the rig, in milliseconds. */
export const LOCK_WAIT_MS = 40_000;
export const WAIT_MS = 10_000;

/** Opens a refresher on sessions in memory, with a scripted provider. Its clock is the system's: use fake timers. */
export function openRefresher({
  retries = 2,
  maxPerMinute = 30,
  locks = createLocalLocks(),
}: Settings = {}): RefresherRig {
  const sessionsRig = openSessions(Date.now);
  const { sessions, metrics } = sessionsRig;
  const scripted = scriptProvider();
  const { log, lines } = collectLog();
  const breaker = createCircuitBreaker(Date.now);
  const refresher = createTokenRefresher({
    sessions,
    exchange: createTokenEndpointCall({
      provider: scripted.provider,
      breaker,
      turnstile: createSemaphore(100),
      retries,
      clock: Date.now,
      log,
      metrics,
    }),
    locks,
    breaker,
    rate: createSlidingWindow({ perMinute: maxPerMinute, clock: Date.now }),
    refusals: createRefreshSuppression(Date.now),
    ahead: { kind: 'share', share: 0.2 },
    lockWaitMs: LOCK_WAIT_MS,
    waitMs: WAIT_MS,
    clock: Date.now,
    log,
    metrics,
  });
  const begin: RefresherRig['begin'] = async (ageMs) => {
    const stored = await sessionsRig.stored(await sessionsRig.signIn());
    if (ageMs !== undefined) await vi.advanceTimersByTimeAsync(ageMs);
    return stored;
  };
  return {
    ...sessionsRig,
    ...scripted,
    refresher,
    locks,
    log,
    lines,
    begin,
    beginRenewal: async () => {
      const stored = await begin(OVER_MS);
      const answer = scripted.hold();
      const waiting = refresher.fresh(stored, signIn);
      await vi.advanceTimersByTimeAsync(0);
      return { stored, waiting, answer };
    },
    counted: (outcome) => meter(metrics, 'coatcheck_refresh_total', { outcome }),
  };
}
