import { describe, expect, it } from 'vitest';
import { freshnessOf, type Ahead } from '../../../src/tokens/freshness.ts';

const obtainedAtMs = Date.UTC(2026, 0, 15);
const fifth: Ahead = { kind: 'share', share: 0.2 };

/** A token with this lifetime, `ageMs` after its request. */
function after(ageMs: number, lifeMs: number, ahead: Ahead) {
  const token = { value: 't', obtainedAtMs, expiresAtMs: obtainedAtMs + lifeMs };
  return freshnessOf(token, obtainedAtMs + ageMs, ahead);
}

describe('the freshness of an access token', () => {
  it.each([
    [0, 'fresh'],
    [79_999, 'fresh'],
    [80_000, 'expiring'],
    [98_999, 'expiring'],
    [99_000, 'expired'],
    [100_000, 'expired'],
    [1e12, 'expired'],
  ])('with a fifth ahead and 100 s to live is, %i ms after the request, %s', (ageMs, freshness) => {
    expect(after(ageMs, 100_000, fifth)).toBe(freshness);
  });

  it.each([
    [89_999, 'fresh'],
    [90_000, 'expiring'],
    [99_000, 'expired'],
  ])('with 10 s ahead and 100 s to live is, %i ms after the request, %s', (ageMs, freshness) => {
    expect(after(ageMs, 100_000, { kind: 'duration', ms: 10_000 })).toBe(freshness);
  });

  it('is not expiring before half of its lifetime, however long ahead is', () => {
    const ahead: Ahead = { kind: 'duration', ms: 3_600_000 };
    expect(after(49_999, 100_000, ahead)).toBe('fresh');
    expect(after(50_000, 100_000, ahead)).toBe('expiring');
  });

  it('is not expired for a token of a few seconds that has just arrived', () => {
    expect(after(1_799, 2_000, { kind: 'share', share: 0 })).toBe('fresh');
    expect(after(1_800, 2_000, { kind: 'share', share: 0 })).toBe('expired');
    expect(after(0, 500, fifth)).toBe('fresh');
  });

  it('uses the clock of this machine alone, so that a clock set back finds the token fresh', () => {
    expect(after(-3_600_000, 100_000, fifth)).toBe('fresh');
  });

  it('assumes an hour when the lifetime is unknown, and then never makes a request wait (G4)', () => {
    const token = { value: 't', obtainedAtMs };
    expect(freshnessOf(token, obtainedAtMs + 3_599_999, fifth)).toBe('fresh');
    expect(freshnessOf(token, obtainedAtMs + 3_600_000, fifth)).toBe('expiring');
    expect(freshnessOf(token, obtainedAtMs + 1e12, fifth)).toBe('expiring');
  });

  it('never improves over time', () => {
    const order = ['fresh', 'expiring', 'expired'];
    for (const lifeMs of [1, 10, 999, 1_000, 30_000, 3_600_000]) {
      for (const ahead of [fifth, { kind: 'duration', ms: 5_000 } as const]) {
        const ages = Array.from({ length: 201 }, (_, step) => (lifeMs * step) / 200);
        const ranks = ages.map((ageMs) => order.indexOf(after(ageMs, lifeMs, ahead)));
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
        expect(ranks.at(-1)).toBe(2);
      }
    }
  });

  it.each([
    [19_999, 'fresh'],
    [20_000, 'expiring'],
    [60_000, 'expiring'],
    [119_000, 'expired'],
  ])(
    'follows a refresh token that expires after 60 s, before the 120 s of the access token: at %i ms %s',
    (ageMs, freshness) => {
      const token = { value: 't', obtainedAtMs, expiresAtMs: obtainedAtMs + 120_000 };
      expect(freshnessOf(token, obtainedAtMs + ageMs, fifth, obtainedAtMs + 60_000)).toBe(freshness);
    },
  );

  it('follows the access token if the refresh token expires later', () => {
    const token = { value: 't', obtainedAtMs, expiresAtMs: obtainedAtMs + 60_000 };
    expect(freshnessOf(token, obtainedAtMs + 47_999, fifth, obtainedAtMs + 120_000)).toBe('fresh');
  });
});
