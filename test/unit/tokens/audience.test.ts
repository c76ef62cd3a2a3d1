import { expect, it } from 'vitest';
import { createAudience } from '../../../src/tokens/audience.ts';

it('is the sign-in itself when a route asks for nothing more', () => {
  expect(createAudience([], [])).toEqual({ id: '', scopes: [], resources: [] });
});

it('is the same for the same scopes and resources in any order', () => {
  const one = createAudience(['read', 'write'], ['https://a.test', 'https://b.test']);
  const other = createAudience(['write', 'read'], ['https://b.test', 'https://a.test']);
  expect(one.id).toBe(other.id);
  expect(other.scopes).toEqual(['write', 'read']);
});

it('differs wherever scopes or resources differ, however they are cut into words (B13)', () => {
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
