import { describe, expect, it } from 'vitest';
import { freshnessOf, type Ahead } from '../../../src/tokens/freshness.ts';

const obtainedAtMs = Date.UTC(2026, 0, 15);
const fifth: Ahead = { kind: 'share', share: 0.2 };

/** A token that lives so long, `ageMs` after it was asked for. */
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
  ])('is, with a fifth ahead and 100 s to live, %i ms after the request: %s', (ageMs, freshness) => {
    expect(after(ageMs, 100_000, fifth)).toBe(freshness);
  });

  it.each([
    [89_999, 'fresh'],
    [90_000, 'expiring'],
    [99_000, 'expired'],
  ])('is, with 10 s ahead and 100 s to live, %i ms after the request: %s', (ageMs, freshness) => {
    expect(after(ageMs, 100_000, { kind: 'duration', ms: 10_000 })).toBe(freshness);
  });

  it('is not near its end before half of its life, however long ahead was asked for', () => {
    const ahead: Ahead = { kind: 'duration', ms: 3_600_000 };
    expect(after(49_999, 100_000, ahead)).toBe('fresh');
    expect(after(50_000, 100_000, ahead)).toBe('expiring');
  });

  it('does not call a token of a few seconds over as it arrives', () => {
    expect(after(1_799, 2_000, { kind: 'share', share: 0 })).toBe('fresh');
    expect(after(1_800, 2_000, { kind: 'share', share: 0 })).toBe('expired');
    expect(after(0, 500, fifth)).toBe('fresh');
  });

  it('is counted on this machine alone, so that a clock set back finds the token fresh', () => {
    expect(after(-3_600_000, 100_000, fifth)).toBe('fresh');
  });

  it('is assumed to last an hour when nothing is known of it, and is then never waited for (G4)', () => {
    const token = { value: 't', obtainedAtMs };
    expect(freshnessOf(token, obtainedAtMs + 3_599_999, fifth)).toBe('fresh');
    expect(freshnessOf(token, obtainedAtMs + 3_600_000, fifth)).toBe('expiring');
    expect(freshnessOf(token, obtainedAtMs + 1e12, fifth)).toBe('expiring');
  });

  it('only ever gets worse with time', () => {
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
    [47_999, 'fresh'],
    [48_000, 'expiring'],
    [60_000, 'expiring'],
    [119_000, 'expired'],
  ])(
    'follows a refresh token that ends after 60 s, before its own 120 s: at %i ms %s',
    (ageMs, freshness) => {
      const token = { value: 't', obtainedAtMs, expiresAtMs: obtainedAtMs + 120_000 };
      expect(freshnessOf(token, obtainedAtMs + ageMs, fifth, obtainedAtMs + 60_000)).toBe(freshness);
    },
  );

  it('is its own if the refresh token ends later', () => {
    const token = { value: 't', obtainedAtMs, expiresAtMs: obtainedAtMs + 60_000 };
    expect(freshnessOf(token, obtainedAtMs + 47_999, fifth, obtainedAtMs + 120_000)).toBe('fresh');
  });
});
