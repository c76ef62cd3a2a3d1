import { expect, it } from 'vitest';
import { createAudience } from '../../../src/tokens/audience.ts';

it('the audience of a route without scopes and resources is that of the sign-in', () => {
  expect(createAudience([], [])).toEqual({ id: '', scopes: [], resources: [] });
});

it('the audience is the same for the same scopes and resources in any order', () => {
  const one = createAudience(['read', 'write'], ['https://a.test', 'https://b.test']);
  const other = createAudience(['write', 'read'], ['https://b.test', 'https://a.test']);
  expect(one.id).toBe(other.id);
  expect(other.scopes).toEqual(['write', 'read']);
});

it('the audience differs whenever scopes or resources differ, however they are split into words (B13)', () => {
  const audiences = [
    createAudience([], []),
    createAudience(['a'], []),
    createAudience([], ['a']),
    createAudience(['a', 'b'], []),
    createAudience(['a b'], []),
    createAudience(['a,b'], []),
    createAudience(['a","b'], []),
    createAudience(['a'], ['b']),
    createAudience(['a'], ['b', 'c']),
    createAudience(['a', 'b'], ['c']),
  ];
  expect(new Set(audiences.map(({ id }) => id)).size).toBe(audiences.length);
});
