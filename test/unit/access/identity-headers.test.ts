import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createIdentityHeaders, headerValueOf } from '../../../src/access/identity-headers.ts';
import { extent } from '../../../testkit/fuzz.ts';

describe('the value of an identity header', () => {
  test.each<[string, unknown, string | undefined]>([
    ['a text', 'alice', 'alice'],
    ['blanks inside', 'Alice B. Example', 'Alice B. Example'],
    ['blanks at its ends', '  x ', '%20%20x%20'],
    ['other characters', 'Zoë 日', 'Zo%C3%AB %E6%97%A5'],
    ['a percent sign', '100%41', '100%2541'],
    ['line breaks', 'a\r\nX-Admin: 1', 'a%0D%0AX-Admin: 1'],
    ['a lone surrogate', '\ud800', '%EF%BF%BD'],
    ['a number', 7, '7'],
    ['false', false, 'false'],
    ['a list', ['admin', 'ops'], 'admin,ops'],
    ['a list with a comma in an item', ['a,b', 'c'], 'a%2Cb,c'],
    ['a comma in a text', 'Doe, Jane', 'Doe%2C Jane'],
    ['an empty list', [], undefined],
    ['an empty text', '', undefined],
    ['null', null, undefined],
    ['a mapping', { a: 1 }, undefined],
    ['a list with a mapping', ['a', { b: 1 }], undefined],
    ['nothing', undefined, undefined],
    ['a list that is too long for a field', Array.from({ length: 2_000 }, () => 'group'), undefined],
  ])('is right for %s', (_what, claim, value) => {
    expect(headerValueOf(claim)).toBe(value);
  });

  it('cannot break a field, and reads back as the claim', () => {
    const claim = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
      fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 5 }),
    );
    fc.assert(
      fc.property(claim, (given) => {
        const value = headerValueOf(given) ?? '';
        expect(value).toMatch(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
        const items = value.split(',').map(decodeURIComponent);
        expect(Array.isArray(given) ? items : items.join()).toEqual(given);
      }),
      extent({ short: 1_000, long: 100_000 }),
    );
  });
});

describe('the identity headers of a route', () => {
  const headersOf = createIdentityHeaders({ 'X-User': ['sub'], 'X-Roles': ['realm_access', 'roles'] });

  it('name the claims at their pointers', () => {
    expect(headersOf({ sub: 'alice', realm_access: { roles: ['a', 'b'] } })).toEqual([
      'X-User',
      'alice',
      'X-Roles',
      'a,b',
    ]);
  });

  it('leave out a claim that the provider replaced by a reference', () => {
    const claims = { sub: 'alice', realm_access: { roles: ['a'] }, _claim_names: { realm_access: 'src1' } };
    expect(headersOf(claims)).toEqual(['X-User', 'alice']);
  });
});
