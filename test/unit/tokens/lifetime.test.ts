import { describe, expect, it } from 'vitest';
import { readLifetimeSeconds } from '../../../src/tokens/lifetime.ts';

describe('a lifetime in a token response', () => {
  it.each([
    [300, 300],
    [0.5, 0.5],
    ['300', 300],
    [' 300 ', 300],
    ['1e3', 1_000],
    [1e15, 1e15],
  ])('is read from %o as %d seconds (G4)', (value, seconds) => {
    expect(readLifetimeSeconds(value)).toBe(seconds);
  });

  it.each([
    0,
    -1,
    '0',
    '-5',
    '',
    ' ',
    'soon',
    '5m',
    NaN,
    Infinity,
    '1e999',
    null,
    undefined,
    true,
    [300],
    {},
  ])('is unknown for %o, and not treated as expired (G4)', (value) => {
    expect(readLifetimeSeconds(value)).toBeUndefined();
  });
});
