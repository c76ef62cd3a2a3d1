import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMetrics } from '../../../src/observability/metrics.ts';
import type { RefreshOutcome } from '../../../src/provider/provider.ts';
import { createCircuitBreaker } from '../../../src/concurrency/circuit-breaker.ts';
import { createTokenEndpointCall } from '../../../src/refresh/token-endpoint-call.ts';
import { createSemaphore } from '../../../src/concurrency/semaphore.ts';
import { createAudience } from '../../../src/tokens/audience.ts';
import { collectLog } from '../log-lines.ts';
import { failure, refreshed, scriptProvider } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function openTokenEndpointCall({ retries = 2 } = {}) {
  const scripted = scriptProvider();
  const { log, lines } = collectLog();
  const metrics = createMetrics();
  const breaker = createCircuitBreaker(Date.now);
  const semaphore = createSemaphore(100);
  const { provider } = scripted;
  const callTokenEndpoint = createTokenEndpointCall({
    provider,
    breaker,
    semaphore,
    retries,
    clock: Date.now,
    log,
    metrics,
  });
  const state = { isHeld: true };
  /** Spends a token whose calls end so, in turn. */
  const ask = (...outcomes: RefreshOutcome[]) => {
    scripted.outcomes.push(...outcomes);
    const request = {
      key: 'k1',
      refreshToken: 'rt-1',
      subject: 'ada',
      audience: createAudience([], []),
      maySend: () => state.isHeld,
    };
    const mark = { write: async () => ({ kind: 'marked' }) as const, remove: async () => undefined };
    return callTokenEndpoint(request, mark);
  };
  /** The same, with the pauses between the calls run. */
  const spend = async (...outcomes: RefreshOutcome[]) => {
    const outcome = ask(...outcomes);
    await vi.advanceTimersByTimeAsync(5_000);
    return outcome;
  };
  return { ...scripted, ask, spend, state, breaker, lines, metrics };
}

describe('spending a refresh token', () => {
  it.each([
    ['refreshed', refreshed(2)],
    ['rejected', failure.rejected],
    ['misconfigured', failure.misconfigured],
    ['identity_changed', { kind: 'identity_changed', refreshToken: 'rt-2', cause: undefined } as const],
  ])('happens once when the call is %s', async (_kind, outcome) => {
    const { spend, calls } = openTokenEndpointCall();
    expect(await spend(outcome)).toBe(outcome);
    expect(calls).toHaveLength(1);
  });

  it('is retried as often as configured if the request was never sent (G13)', async () => {
    const { spend, calls } = openTokenEndpointCall({ retries: 2 });
    expect(await spend(failure.transient, failure.transient)).toMatchObject({ kind: 'refreshed' });
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-1', 'rt-1', 'rt-1']);
  });

  it.each([0, 1, 2])('fails after %i retries (G13)', async (retries) => {
    const { spend, calls } = openTokenEndpointCall({ retries });
    expect(await spend(...Array.from({ length: 5 }, () => failure.transient))).toBe(failure.transient);
    expect(calls).toHaveLength(retries + 1);
  });

  it('is retried once if the outcome is unknown, within the reuse grace of the provider (G15)', async () => {
    const { spend, calls } = openTokenEndpointCall({ retries: 5 });
    expect(await spend(failure.ambiguous)).toMatchObject({ kind: 'refreshed' });
    expect(calls).toHaveLength(2);
  });

  it('is not sent a third time if the outcome is still unknown (G15)', async () => {
    const { spend, calls } = openTokenEndpointCall({ retries: 5 });
    expect(await spend(failure.ambiguous, failure.ambiguous)).toBe(failure.ambiguous);
    expect(calls).toHaveLength(2);
  });

  it('can be rejected at the retry, by a provider without a reuse grace (G15)', async () => {
    const { spend } = openTokenEndpointCall();
    expect(await spend(failure.ambiguous, failure.rejected)).toBe(failure.rejected);
  });

  it('is not retried against the Retry-After of the provider (G13)', async () => {
    const { spend, calls } = openTokenEndpointCall();
    const busy = { ...failure.transient, retryAfterSeconds: 7 };
    expect(await spend(busy)).toBe(busy);
    expect(calls).toHaveLength(1);
  });

  it('is not retried once the lock has expired, since another process may have refreshed (G7)', async () => {
    const { spend, calls, state } = openTokenEndpointCall();
    state.isHeld = false;
    expect(await spend(failure.transient)).toBe(failure.transient);
    expect(calls).toHaveLength(1);
  });

  it('does not start while the circuit breaker is open (G13)', async () => {
    const { spend, calls, breaker } = openTokenEndpointCall();
    breaker.begin().failed(20_000);
    expect(await spend()).toMatchObject({ kind: 'transient', retryAfterSeconds: 20 });
    expect(calls).toEqual([]);
  });

  it('opens the circuit breaker after three consecutive failures of any sessions (G13)', async () => {
    const { ask, calls, breaker } = openTokenEndpointCall({ retries: 0 });
    await ask(failure.ambiguous);
    await ask(failure.transient);
    expect(breaker.pauseMs()).toBe(0);
    await ask(failure.misconfigured);
    expect(breaker.pauseMs()).toBeGreaterThan(0);
    expect(await ask()).toMatchObject({ kind: 'transient' });
    expect(calls).toHaveLength(3);
  });

  it('counts a rejected token as a success of the provider for the circuit breaker', async () => {
    const { ask, breaker } = openTokenEndpointCall({ retries: 0 });
    await ask(failure.transient);
    await ask(failure.transient);
    await ask(failure.rejected);
    await ask(failure.transient);
    expect(breaker.pauseMs()).toBe(0);
  });

  it('measures every call', async () => {
    const { spend, metrics } = openTokenEndpointCall();
    await spend(failure.transient);
    const text = await metrics.registry.metrics();
    expect(text).toContain('coatcheck_refresh_duration_seconds_count 2');
  });

  it('logs an error if the provider refuses the client, without the token (G12)', async () => {
    const { spend, lines } = openTokenEndpointCall();
    await spend(failure.misconfigured);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'error', error: 'invalid_client' });
    expect(lines.join('')).not.toContain('rt-1');
  });
});
