import { describe, expect, it } from 'vitest';
import { createRefreshSuppression } from '../../../src/refresh/refresh-suppression.ts';
import { createAudience } from '../../../src/tokens/audience.ts';
import { createTestClock } from '../clock.ts';
import { sampleSession } from '../sessions/sample.ts';

const refused = (key: string, accessToken: string) => ({ stored: { key }, accessToken });

describe('a token that an upstream refused though it was new', () => {
  it('is hopeless for that session on that route, and no other (G8)', () => {
    const refusals = createRefreshSuppression(createTestClock().now);
    refusals.remember(refused('k1', 'at-2'), '/api');
    expect(refusals.isHopeless(refused('k1', 'at-2'), '/api')).toBe(true);
    expect(refusals.isHopeless(refused('k1', 'at-3'), '/api')).toBe(false);
    expect(refusals.isHopeless(refused('k1', 'at-2'), '/other')).toBe(false);
    expect(refusals.isHopeless(refused('k2', 'at-2'), '/api')).toBe(false);
  });

  it('makes room for the next one', () => {
    const refusals = createRefreshSuppression(createTestClock().now);
    refusals.remember(refused('k1', 'at-2'), '/api');
    refusals.remember(refused('k1', 'at-3'), '/api');
    expect(refusals.isHopeless(refused('k1', 'at-2'), '/api')).toBe(false);
    expect(refusals.isHopeless(refused('k1', 'at-3'), '/api')).toBe(true);
  });

  it('is forgotten when ten thousand others have been remembered since', () => {
    const refusals = createRefreshSuppression(createTestClock().now);
    for (let at = 0; at <= 10_000; at += 1) refusals.remember(refused(`k${at}`, 'at'), '/api');
    expect(refusals.isHopeless(refused('k0', 'at'), '/api')).toBe(false);
    expect(refusals.isHopeless(refused('k1', 'at'), '/api')).toBe(true);
  });
});

describe('renewals in vain', () => {
  it('count for a minute, from the record that all processes share (G8)', () => {
    const clock = createTestClock();
    const refusals = createRefreshSuppression(clock.now);
    const refusedAtMs = [0, 30_000, 59_999, 60_000, 90_000].map((ago) => clock.now() - ago);
    const session = sampleSession(clock.now(), { refusedAtMs });
    expect(refusals.recent(session)).toEqual(refusedAtMs.slice(0, 3));
    expect(refusals.recent(sampleSession(clock.now()))).toEqual([]);
  });

  it('are too many at three', () => {
    const refusals = createRefreshSuppression(createTestClock().now);
    expect([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map(refusals.areTooMany)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('an audience that the provider gives a session no token for', () => {
  const orders = createAudience(['orders.read'], []);

  it('is denied to that session for a minute, and nothing else is', () => {
    const clock = createTestClock();
    const refusals = createRefreshSuppression(clock.now);
    refusals.deny('k1', orders);
    expect(refusals.isDenied('k1', createAudience(['orders.read'], []))).toBe(true);
    expect(refusals.isDenied('k1', createAudience([], []))).toBe(false);
    expect(refusals.isDenied('k2', orders)).toBe(false);
    clock.advance(59_999);
    expect(refusals.isDenied('k1', orders)).toBe(true);
    clock.advance(1);
    expect(refusals.isDenied('k1', orders)).toBe(false);
  });

  it('is forgotten when ten thousand others have been denied since', () => {
    const refusals = createRefreshSuppression(createTestClock().now);
    for (let at = 0; at <= 10_000; at += 1) refusals.deny(`k${at}`, orders);
    expect(refusals.isDenied('k0', orders)).toBe(false);
    expect(refusals.isDenied('k1', orders)).toBe(true);
  });
});
