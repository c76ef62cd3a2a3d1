import { describe, expect, it } from 'vitest';
import { readLifetimeSeconds } from '../../../src/tokens/lifetime.ts';

describe('a lifetime', () => {
  it.each([
    [300, 300],
    [0.5, 0.5],
    ['300', 300],
    [' 300 ', 300],
    ['1e3', 1_000],
    [1e15, 1e15],
  ])('reads %o as %d seconds (G4)', (value, seconds) => {
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
  ])('does not know what %o means, and does not take it for "over now" (G4)', (value) => {
    expect(readLifetimeSeconds(value)).toBeUndefined();
  });
});
