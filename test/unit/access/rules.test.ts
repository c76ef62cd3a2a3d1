import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compileRules } from '../../../src/access/rules.ts';
import type { AccessRuleInput } from '../../../src/config/config-input.ts';
import { accessRules } from '../../../src/config/schema/access/rule.ts';
import { extent } from '../../../testkit/fuzz.ts';
import { referenceDenial } from './reference-rules.ts';

/** The verdict on one rule, over some claims and scopes. */
function verdictOf(rule: AccessRuleInput, claims: Record<string, unknown>, scope?: string) {
  return compileRules(accessRules().parse([rule]))?.({ claims, scope })?.verdict ?? 'holds';
}

describe('a rule about a claim', () => {
  test.each<[string, AccessRuleInput, Record<string, unknown>, string]>([
    ['an equal text', { claim: '/dept', equals: 'ops' }, { dept: 'ops' }, 'holds'],
    ['another text', { claim: '/dept', equals: 'ops' }, { dept: 'Ops' }, 'fails'],
    ['true for true', { claim: '/email_verified', equals: true }, { email_verified: true }, 'holds'],
    ['a text for true', { claim: '/email_verified', equals: true }, { email_verified: 'true' }, 'unknown'],
    ['a number as text', { claim: '/level', equals: 3 }, { level: '3' }, 'unknown'],
    ['a number that JSON cannot represent', { claim: '/n', equals: 1 }, { n: 2 ** 53 }, 'unknown'],
    ['null', { claim: '/dept', equals: 'ops' }, { dept: null }, 'unknown'],
    ['a missing claim', { claim: '/dept', equals: 'ops' }, {}, 'unknown'],
    ['an inherited member', { claim: '/constructor', equals: 'x' }, {}, 'unknown'],
    ['the length of a list', { claim: '/groups/length', equals: 1 }, { groups: ['a'] }, 'unknown'],
    ['an item by its index', { claim: '/groups/0', equals: 'a' }, { groups: ['a'] }, 'holds'],
    ['a member inside', { claim: '/a~1b/c~0d', equals: 1 }, { 'a/b': { 'c~d': 1 } }, 'holds'],
    ['a list with the value', { claim: '/groups', contains: 'admin' }, { groups: ['x', 'admin'] }, 'holds'],
    ['a list without it', { claim: '/groups', contains: 'admin' }, { groups: ['superadmin'] }, 'fails'],
    ['an empty list', { claim: '/groups', contains: 'admin' }, { groups: [] }, 'fails'],
    ['a text in place of a list', { claim: '/groups', contains: 'admin' }, { groups: 'admin' }, 'unknown'],
    ['a mapping in place of a list', { claim: '/groups', contains: 'a' }, { groups: { a: true } }, 'unknown'],
    ['a list of mappings', { claim: '/groups', contains: 'a' }, { groups: [{ name: 'a' }] }, 'unknown'],
    [
      'the end of an address',
      { claim: '/email', endsWith: '@acme.example' },
      { email: 'a@acme.example' },
      'holds',
    ],
    [
      'another end',
      { claim: '/email', endsWith: '@acme.example' },
      { email: 'a@evil-acme.example' },
      'fails',
    ],
    [
      'an address with two at signs',
      { claim: '/email', endsWith: '@acme.example' },
      { email: 'a@evil@acme.example' },
      'unknown',
    ],
    [
      'an address without a name',
      { claim: '/email', endsWith: '@acme.example' },
      { email: '@acme.example' },
      'unknown',
    ],
    ['the end of a text', { claim: '/host', endsWith: '.acme.example' }, { host: 'a.acme.example' }, 'holds'],
    ['one of some values', { claim: '/dept', in: ['ops', 'dev'] }, { dept: 'dev' }, 'holds'],
    ['none of some values', { claim: '/dept', in: ['ops', 'dev'] }, { dept: 'hr' }, 'fails'],
    ['a list for one of some values', { claim: '/dept', in: ['ops'] }, { dept: ['ops'] }, 'unknown'],
    ['the level of the sign-in', { acr: 'gold' }, { acr: 'gold' }, 'holds'],
    ['another level', { acr: 'gold' }, { acr: 'silver' }, 'fails'],
    ['no level', { acr: 'gold' }, {}, 'unknown'],
  ])('judges %s', (_what, rule, claims, verdict) => {
    expect(verdictOf(rule, claims)).toBe(verdict);
  });

  test.each<[string, AccessRuleInput, Record<string, unknown>]>([
    ['missing', { claim: '/groups', contains: 'banned' }, {}],
    ['of another type', { claim: '/groups', contains: 'banned' }, { groups: 'banned' }],
    [
      'replaced by a reference',
      { claim: '/groups', contains: 'banned' },
      { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } },
    ],
    [
      'replaced by a reference, beside a list',
      { claim: '/groups', contains: 'banned' },
      { groups: [], _claim_names: { groups: 'src1' } },
    ],
  ])('grants nothing by the "not" of a claim that is %s', (_what, rule, claims) => {
    expect(verdictOf({ not: rule }, claims)).toBe('unknown');
    expect(verdictOf({ not: { not: rule } }, claims)).toBe('unknown');
    expect(verdictOf({ any: [rule, { not: rule }] }, claims)).toBe('unknown');
  });

  it('is not affected by a reference in place of another claim', () => {
    const claims = { groups: ['admin'], _claim_names: { roles: 'src1' } };
    expect(verdictOf({ claim: '/groups', contains: 'admin' }, claims)).toBe('holds');
  });
});

describe('a rule about a scope', () => {
  test.each([
    ['items.read items.write', 'holds'],
    ['items.write', 'holds'],
    ['items.write.all xitems.write', 'fails'],
    ['', 'fails'],
    [undefined, 'unknown'],
  ])('judges the scopes "%s"', (scope, verdict) => {
    expect(verdictOf({ scope: 'items.write' }, {}, scope)).toBe(verdict);
  });
});

describe('a list of rules', () => {
  it('names the first rule that does not hold', () => {
    const rules = compileRules(
      accessRules().parse([{ acr: 'gold' }, { claim: '/dept', equals: 'ops' }, { scope: 'write' }]),
    );
    expect(rules?.({ claims: { acr: 'gold', dept: 'hr' }, scope: '' })).toEqual({
      index: 1,
      verdict: 'fails',
    });
    expect(rules?.({ claims: { acr: 'gold', dept: 'ops' }, scope: 'write' })).toBeUndefined();
  });

  it('is nothing to run when it is empty', () => {
    expect(compileRules([])).toBeUndefined();
  });
});

describe('the rules against their reference', () => {
  const names = ['acr', 'groups', 'email', 'level', 'constructor', 'a/b'];
  const scalar = fc.constantFrom<string | number | boolean>('admin', 'a@b', 'gold', '', 1, 0, true, false);
  const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.constantFrom(null, 1.5, 2 ** 53, 'x@a@b', 'admin admin'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.array(scalar, { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names, '0', 'length', '__proto__'), tie('value'), { maxKeys: 3 }),
    ),
  })).value;
  const claims = fc
    .record({
      own: fc.dictionary(fc.constantFrom(...names), json, { maxKeys: 5 }),
      references: fc.option(fc.dictionary(fc.constantFrom(...names), fc.constant('src1'), { maxKeys: 2 })),
    })
    .map(({ own, references }) => ({ ...own, ...(references && { _claim_names: references }) }));
  const pointer = fc.constantFrom(
    '/acr',
    '/groups',
    '/groups/0',
    '/groups/length',
    '/email',
    '/level/level',
    '/constructor',
    '/a~1b',
  );
  const rule: fc.Arbitrary<AccessRuleInput> = fc.letrec<{ rule: AccessRuleInput }>((tie) => ({
    rule: fc.oneof(
      { depthSize: 'small' },
      fc.record({ claim: pointer, equals: scalar }),
      fc.record({ claim: pointer, contains: scalar }),
      fc.record({ claim: pointer, endsWith: fc.constantFrom('n', '@b', 'b') }),
      fc.record({ claim: pointer, in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
      fc.record({ scope: fc.constantFrom('read', 'write') }),
      fc.record({ acr: fc.constantFrom('gold', 'admin') }),
      fc.record({ any: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ not: tie('rule') }),
    ),
  })).rule;

  it('deny the same rule for every subject', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        claims,
        fc.option(fc.constantFrom('read', 'read write', 'writer', ''), { nil: undefined }),
        (rules, given, scope) => {
          const denial = compileRules(accessRules().parse(rules))?.({ claims: given, scope });
          expect(denial?.index).toBe(referenceDenial(rules, { claims: given, scope }));
        },
      ),
      extent({ short: 300, long: 200_000 }),
    );
  });
});
