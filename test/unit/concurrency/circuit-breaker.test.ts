import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCircuitBreaker } from '../../../src/concurrency/circuit-breaker.ts';
import { createTestClock } from '../clock.ts';

// The longest pause that jitter allows.
beforeEach(() => vi.spyOn(Math, 'random').mockReturnValue(1));
afterEach(() => vi.restoreAllMocks());

function openBreaker() {
  const clock = createTestClock();
  const breaker = createCircuitBreaker(clock.now);
  const fail = (retryAfterMs?: number) => breaker.begin().failed(retryAfterMs);
  /** Fails often enough to open the breaker. */
  const open = () => {
    for (let failure = 0; failure < 3; failure += 1) fail();
  };
  return { breaker, clock, fail, open };
}

describe('the circuit breaker', () => {
  it('the breaker lets all calls through while calls succeed', () => {
    const { breaker } = openBreaker();
    for (let call = 0; call < 10; call += 1) {
      expect(breaker.pauseMs()).toBe(0);
      breaker.begin().succeeded();
    }
  });

  it('the breaker tolerates two failures in a row and opens after the third (G13)', () => {
    const { breaker, fail } = openBreaker();
    fail();
    fail();
    expect(breaker.pauseMs()).toBe(0);
    fail();
    expect(breaker.pauseMs()).toBe(500);
  });

  it('the breaker counts only consecutive failures', () => {
    const { breaker, fail } = openBreaker();
    for (let round = 0; round < 5; round += 1) {
      fail();
      fail();
      breaker.begin().succeeded();
    }
    expect(breaker.pauseMs()).toBe(0);
  });

  it('the breaker counts failures that may be those of one caller once for each caller', () => {
    const { breaker } = openBreaker();
    const failOf = (caller: string) => breaker.begin().failed(undefined, caller);
    for (let round = 0; round < 10; round += 1) failOf('one');
    failOf('two');
    expect(breaker.pauseMs()).toBe(0);
    failOf('three');
    expect(breaker.pauseMs()).toBe(500);
  });

  it('a trial of a caller that has failed before does not lengthen the pause', () => {
    const { breaker, clock } = openBreaker();
    for (const caller of ['one', 'two', 'three']) breaker.begin().failed(undefined, caller);
    clock.advance(500);
    breaker.begin().failed(undefined, 'one');
    expect(breaker.pauseMs()).toBe(0);
    breaker.begin().failed(undefined, 'four');
    expect(breaker.pauseMs()).toBe(1_000);
  });

  it('the breaker stays open longer after every failed trial, up to ten seconds (G13)', () => {
    const { breaker, clock, fail, open } = openBreaker();
    open();
    const pauses: number[] = [];
    for (let trial = 0; trial < 7; trial += 1) {
      pauses.push(breaker.pauseMs());
      clock.advance(breaker.pauseMs());
      expect(breaker.pauseMs()).toBe(0);
      fail();
    }
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('the breaker shortens each pause by up to a quarter, so that processes do not call at the same time', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { breaker, open } = openBreaker();
    open();
    expect(breaker.pauseMs()).toBe(375);
  });

  it('the breaker lets one caller through as a trial and tells the others to retry soon', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    const trial = breaker.begin();
    expect(breaker.pauseMs()).toBe(1_000);
    trial.succeeded();
    expect(breaker.pauseMs()).toBe(0);
  });

  it('the breaker stops waiting for a trial that never reports its outcome', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    breaker.begin();
    clock.advance(10_000);
    expect(breaker.pauseMs()).toBe(0);
  });

  it('the breaker lets the next caller try when a trial is cancelled', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    breaker.begin().cancel();
    expect(breaker.pauseMs()).toBe(0);
  });

  it('the breaker opens at the first failure with Retry-After, for as long as the provider asks (G13)', () => {
    const { breaker, clock, fail } = openBreaker();
    fail(7_000);
    expect(breaker.pauseMs()).toBe(7_000);
    clock.advance(6_999);
    expect(breaker.pauseMs()).toBe(1);
  });

  it('the breaker does not shorten its pause when other calls fail meanwhile (G13)', () => {
    const { breaker } = openBreaker();
    const calls = [breaker.begin(), breaker.begin(), breaker.begin(), breaker.begin(), breaker.begin()];
    calls[0]?.failed(20_000);
    for (const call of calls.slice(1)) call.failed(undefined);
    expect(breaker.pauseMs()).toBe(20_000);
  });

  it('the breaker allows a trial call after 30 s, whatever pause the endpoint asks for (G13)', () => {
    const { breaker } = openBreaker();
    breaker.begin().failed(3_600_000);
    expect(breaker.pauseMs()).toBe(30_000);
    breaker.begin().failed(3_600_000);
    expect(breaker.pauseMs()).toBe(30_000);
  });

  it('the breaker allows a trial call after 30 s, whatever pause a call asks for that failed with others (G13)', () => {
    const { breaker } = openBreaker();
    const together = [breaker.begin(), breaker.begin()];
    for (const call of together) call.failed(3_600_000);
    expect(breaker.pauseMs()).toBe(30_000);
  });

  it('the breaker stays open when a provider asks for no pause and keeps failing (G13)', () => {
    const { breaker, fail } = openBreaker();
    for (let failure = 0; failure < 3; failure += 1) fail(0);
    expect(breaker.pauseMs()).toBe(500);
  });

  it('the breaker counts calls that fail together as one failure once it is open', () => {
    const { breaker, open } = openBreaker();
    const together = Array.from({ length: 20 }, () => breaker.begin());
    open();
    for (const call of together) call.failed(undefined);
    expect(breaker.pauseMs()).toBe(500);
  });

  it('the breaker closes after a late success', () => {
    const { breaker, open } = openBreaker();
    const late = breaker.begin();
    open();
    late.succeeded();
    expect(breaker.pauseMs()).toBe(0);
  });
});
