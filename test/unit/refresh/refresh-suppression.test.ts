import { describe, expect, it } from 'vitest';
import { createLocalLocks } from '../../../src/redis/lock/local-locks.ts';
import type { Credential } from '../../../src/refresh/credential.ts';
import {
  createRefreshSuppression,
  type RefreshSuppression,
} from '../../../src/refresh/refresh-suppression.ts';
import { createAudience } from '../../../src/tokens/audience.ts';
import { createTestClock } from '../clock.ts';
import { openSessions } from '../sessions/fixture.ts';
import { sampleData, sampleRecord } from '../sessions/sample.ts';

function openSuppression(clock = createTestClock()): RefreshSuppression {
  const { sessions } = openSessions(clock.now);
  return createRefreshSuppression({
    sessions,
    locks: createLocalLocks(),
    lockWaitMs: 1_000,
    clock: clock.now,
  });
}

const credential = (key: string, accessToken: string): Credential => ({
  session: sampleRecord(0, { key }),
  audience: createAudience([], []),
  accessToken,
});

describe('the suppression of a token that an upstream rejected although it was new', () => {
  it('affects only that session on that route (G8)', async () => {
    const suppression = openSuppression();
    await suppression.rejectedByUpstream(credential('k1', 'at-2'), '/api');
    expect(suppression.wasRejected(credential('k1', 'at-2'), '/api')).toBe(true);
    expect(suppression.wasRejected(credential('k1', 'at-3'), '/api')).toBe(false);
    expect(suppression.wasRejected(credential('k1', 'at-2'), '/other')).toBe(false);
    expect(suppression.wasRejected(credential('k2', 'at-2'), '/api')).toBe(false);
  });

  it('is replaced by that of the next token', async () => {
    const suppression = openSuppression();
    await suppression.rejectedByUpstream(credential('k1', 'at-2'), '/api');
    await suppression.rejectedByUpstream(credential('k1', 'at-3'), '/api');
    expect(suppression.wasRejected(credential('k1', 'at-2'), '/api')).toBe(false);
    expect(suppression.wasRejected(credential('k1', 'at-3'), '/api')).toBe(true);
  });

  it('is forgotten after ten thousand newer ones', async () => {
    const suppression = openSuppression();
    for (let at = 0; at <= 10_000; at += 1)
      await suppression.rejectedByUpstream(credential(`k${at}`, 'at'), '/api');
    expect(suppression.wasRejected(credential('k0', 'at'), '/api')).toBe(false);
    expect(suppression.wasRejected(credential('k1', 'at'), '/api')).toBe(true);
  });
});

describe('the count of useless refreshes', () => {
  it('covers a minute and comes from the record that all processes share (G8)', () => {
    const clock = createTestClock();
    const suppression = openSuppression(clock);
    const upstreamRefusalsAtMs = [0, 30_000, 59_999, 60_000, 90_000].map((ago) => clock.now() - ago);
    const data = sampleData(clock.now(), { upstreamRefusalsAtMs });
    expect(suppression.recentRejections(data)).toEqual(upstreamRefusalsAtMs.slice(0, 3));
    expect(suppression.recentRejections(sampleData(clock.now()))).toEqual([]);
  });

  it('suppresses refreshes at three', () => {
    const suppression = openSuppression();
    expect([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map(suppression.isExhausted)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('an audience for which the provider grants a session no token', () => {
  const orders = createAudience(['orders.read'], []);

  it('is suppressed for that session for a minute, and nothing else is', () => {
    const clock = createTestClock();
    const suppression = openSuppression(clock);
    suppression.notGranted('k1', orders);
    expect(suppression.wasNotGranted('k1', createAudience(['orders.read'], []))).toBe(true);
    expect(suppression.wasNotGranted('k1', createAudience([], []))).toBe(false);
    expect(suppression.wasNotGranted('k2', orders)).toBe(false);
    clock.advance(59_999);
    expect(suppression.wasNotGranted('k1', orders)).toBe(true);
    clock.advance(1);
    expect(suppression.wasNotGranted('k1', orders)).toBe(false);
  });

  it('is forgotten after ten thousand newer ones', () => {
    const suppression = openSuppression();
    for (let at = 0; at <= 10_000; at += 1) suppression.notGranted(`k${at}`, orders);
    expect(suppression.wasNotGranted('k0', orders)).toBe(false);
    expect(suppression.wasNotGranted('k1', orders)).toBe(true);
  });
});
