import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../src/errors.ts';
import { createLocalLocks } from '../../../src/redis/lock/local-locks.ts';
import type { Locks } from '../../../src/redis/lock/locks.ts';
import { codeOf, EXPIRED_MS, run, sentWith, signIn } from './requests.ts';
import { failure, LOCK_WAIT_MS, openRefresher, refreshed, WAIT_MS } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** The longest pause of an open circuit breaker, in milliseconds. */
const PAUSED_MS = 30_000;

/** The throttle that the error of a request names for the log. */
const throttleOf = (promise: Promise<unknown>): Promise<unknown> =>
  run(promise).then(
    () => 'no error',
    (error: unknown) => (error instanceof GatewayError ? error.options.throttle : error),
  );

describe('the error of a request that a throttle rejects', () => {
  it('names the circuit breaker after three failed calls, and no throttle before', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher({ retries: 0 });
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.transient, failure.ambiguous, { ...failure.transient, retryAfterSeconds: 60 });
    for (let call = 0; call < 3; call += 1)
      expect(await throttleOf(refresher.fresh(record, signIn))).toBeUndefined();
    expect(await throttleOf(refresher.fresh(record, signIn))).toBe('circuit_breaker');
    expect(calls).toHaveLength(3);
  });

  it('counts nothing toward the limit of a session while the circuit breaker is open', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher({ retries: 0, maxPerMinute: 4 });
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.transient, failure.transient, { ...failure.transient, retryAfterSeconds: 30 });
    for (let call = 0; call < 3; call += 1) await throttleOf(refresher.fresh(record, signIn));
    for (let poll = 0; poll < 4; poll += 1)
      expect(await throttleOf(refresher.fresh(record, signIn))).toBe('circuit_breaker');
    await vi.advanceTimersByTimeAsync(PAUSED_MS);
    expect(await throttleOf(refresher.fresh(record, signIn))).toBe('no error');
    expect(calls).toHaveLength(4);
  });

  it('names the rate limit of a session', async () => {
    const { begin, refresher, outcomes } = openRefresher({ maxPerMinute: 1 });
    const record = await begin(EXPIRED_MS);
    outcomes.push(refreshed(2, { tokenResponse: { accessToken: 'at-2', expiresInSeconds: 1 } }));
    const { session } = await run(refresher.fresh(record, signIn));
    expect(await throttleOf(refresher.fresh(session, signIn))).toBe('session_limit');
  });

  it('names the suppression of refreshes whose tokens an upstream keeps rejecting', async () => {
    const { begin, refresher, store } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const upstreamRefusalsAtMs = [0, 1, 2].map((ago) => Date.now() - ago);
    await store.replace(record.key, { ...record.data, upstreamRefusalsAtMs }, record.version);
    const afterRefusal = refresher.afterRefusal(sentWith(record, 'at-1'), '/api');
    expect(await throttleOf(refresher.fresh(record, signIn))).toBe('suppression');
    expect(await afterRefusal).toBeUndefined();
  });

  it('names the time-out of the wait for a lock that another process holds', async () => {
    const { begin, refresher, locks } = openRefresher();
    const record = await begin(EXPIRED_MS);
    await locks.acquire(record.key, Date.now() + 1_000);
    const throttle = throttleOf(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(WAIT_MS);
    expect(await throttle).toBe('wait_timeout');
    await vi.advanceTimersByTimeAsync(LOCK_WAIT_MS);
  });

  it('names the time-out of the wait for a slow token endpoint', async () => {
    const { begin, refresher, hold } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const respond = hold();
    const throttle = throttleOf(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(WAIT_MS);
    expect(await throttle).toBe('wait_timeout');
    respond(refreshed(2));
    await refresher.settle();
  });

  it('names the lock where a sign-in waits until no refresh is under way, after no longer than a request waits', async () => {
    const { begin, refresher, locks } = openRefresher();
    const record = await begin();
    await locks.acquire(record.key, Date.now() + 1_000);
    const [done, settled] = [vi.fn(), vi.fn()];
    void throttleOf(refresher.withoutRefresh(record.key, async () => done())).then(settled);
    await vi.advanceTimersByTimeAsync(WAIT_MS);
    expect(settled).toHaveBeenCalledWith('lock');
    expect(done).not.toHaveBeenCalled();
  });

  it('names none when the provider itself is the reason', async () => {
    const { begin, refresher, outcomes } = openRefresher();
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.misconfigured);
    const waiting = refresher.fresh(record, signIn);
    expect(await throttleOf(waiting)).toBeUndefined();
    expect(await codeOf(waiting)).toBe('provider_unavailable');
  });
});

describe('a process whose circuit breaker is open', () => {
  it('passes the lock on to a process that may reach the provider, and does not make its requests fail', async () => {
    const locks = createLocalLocks();
    const outcomes: unknown[] = [];
    const recording: Locks = {
      ...locks,
      async acquire(...args) {
        const lease = await locks.acquire(...args);
        return (
          lease && {
            ...lease,
            release(outcome) {
              outcomes.push(outcome);
              return lease.release(outcome);
            },
          }
        );
      },
    };
    const { begin, refresher, outcomes: responses } = openRefresher({ retries: 0, locks: recording });
    const record = await begin(EXPIRED_MS);
    responses.push(failure.transient, failure.transient, { ...failure.transient, retryAfterSeconds: 60 });
    for (let call = 0; call < 4; call += 1) await throttleOf(refresher.fresh(record, signIn));
    expect(outcomes).toEqual(['failed', 'failed', 'failed', undefined]);
  });
});
