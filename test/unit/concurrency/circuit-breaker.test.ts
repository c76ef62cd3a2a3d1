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
  /** Fails as often as it takes for the endpoint to be left alone. */
  const open = () => {
    for (let failure = 0; failure < 3; failure += 1) fail();
  };
  return { breaker, clock, fail, open };
}

describe('the breaker', () => {
  it('lets everybody ask as long as calls succeed', () => {
    const { breaker } = openBreaker();
    for (let call = 0; call < 10; call += 1) {
      expect(breaker.pauseMs()).toBe(0);
      breaker.begin().succeeded();
    }
  });

  it('bears two failures in a row, and sends everybody away after a third (G13)', () => {
    const { breaker, fail } = openBreaker();
    fail();
    fail();
    expect(breaker.pauseMs()).toBe(0);
    fail();
    expect(breaker.pauseMs()).toBe(500);
  });

  it('counts failures in a row only', () => {
    const { breaker, fail } = openBreaker();
    for (let round = 0; round < 5; round += 1) {
      fail();
      fail();
      breaker.begin().succeeded();
    }
    expect(breaker.pauseMs()).toBe(0);
  });

  it('stays away longer with every failed trial, up to ten seconds (G13)', () => {
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

  it('shortens each pause by up to a quarter, so that processes do not ask in step', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { breaker, open } = openBreaker();
    open();
    expect(breaker.pauseMs()).toBe(375);
  });

  it('lets one caller through to try, and tells the others to come back soon', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    const trial = breaker.begin();
    expect(breaker.pauseMs()).toBe(1_000);
    trial.succeeded();
    expect(breaker.pauseMs()).toBe(0);
  });

  it('does not wait for ever for a trial of which nothing is heard', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    breaker.begin();
    clock.advance(10_000);
    expect(breaker.pauseMs()).toBe(0);
  });

  it('lets the next caller try when nothing was asked after all', () => {
    const { breaker, clock, open } = openBreaker();
    open();
    clock.advance(500);
    breaker.begin().cancel();
    expect(breaker.pauseMs()).toBe(0);
  });

  it('stays away as long as the provider asks for, from the first failure on (G13)', () => {
    const { breaker, clock, fail } = openBreaker();
    fail(7_000);
    expect(breaker.pauseMs()).toBe(7_000);
    clock.advance(6_999);
    expect(breaker.pauseMs()).toBe(1);
  });

  it('is not called back early by other calls that fail meanwhile (G13)', () => {
    const { breaker } = openBreaker();
    const calls = [breaker.begin(), breaker.begin(), breaker.begin(), breaker.begin(), breaker.begin()];
    calls[0]?.failed(20_000);
    for (const call of calls.slice(1)) call.failed(undefined);
    expect(breaker.pauseMs()).toBe(20_000);
  });

  it('allows a trial call after 30 s, whatever pause the endpoint asks for (G13)', () => {
    const { breaker } = openBreaker();
    breaker.begin().failed(3_600_000);
    expect(breaker.pauseMs()).toBe(30_000);
    breaker.begin().failed(3_600_000);
    expect(breaker.pauseMs()).toBe(30_000);
  });

  it('stays away even from a provider that asks for no pause and goes on failing (G13)', () => {
    const { breaker, fail } = openBreaker();
    for (let failure = 0; failure < 3; failure += 1) fail(0);
    expect(breaker.pauseMs()).toBe(500);
  });

  it('takes calls that fail together for one failure, once it stays away', () => {
    const { breaker, open } = openBreaker();
    const together = Array.from({ length: 20 }, () => breaker.begin());
    open();
    for (const call of together) call.failed(undefined);
    expect(breaker.pauseMs()).toBe(500);
  });

  it('opens again for a late success', () => {
    const { breaker, open } = openBreaker();
    const late = breaker.begin();
    open();
    late.succeeded();
    expect(breaker.pauseMs()).toBe(0);
  });
});
