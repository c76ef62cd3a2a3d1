import { describe, expect, it } from 'vitest';
import { subjectAt, textAt, valueAt } from '../../../../src/provider/http/json-value.ts';

// The document and the pointers of RFC 6901, section 5.
const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, ' ': 7, 'm~n': 8 };

describe('a JSON Pointer', () => {
  it.each([
    [['foo'], ['bar', 'baz']],
    [['foo', '0'], 'bar'],
    [[''], 0],
    [['a/b'], 1],
    [[' '], 7],
    [['m~n'], 8],
  ])('the JSON Pointer %j finds %j', (pointer, value) => {
    expect(valueAt(document, pointer)).toEqual(value);
  });

  it.each([
    ['nothing'],
    ['foo', '2'],
    ['foo', '-'],
    ['foo', '01'],
    ['foo', 'length'],
    ['constructor'],
    ['foo', 'map'],
  ])('the JSON Pointer %j finds nothing', (...pointer) => {
    expect(valueAt(document, pointer)).toBeUndefined();
  });

  it('a JSON Pointer finds nothing in a value that is not a document', () => {
    for (const value of [undefined, null, 'text', 7]) expect(valueAt(value, ['length'])).toBeUndefined();
  });
});

it('a token must be a non-empty text', () => {
  expect(textAt({ a: 'x' }, ['a'])).toBe('x');
  for (const a of ['', 7, null, {}, ['x']]) expect(textAt({ a }, ['a'])).toBeUndefined();
  expect(textAt({ a: 'x' }, undefined)).toBeUndefined();
});

it('a subject must be a text or a whole number', () => {
  expect(subjectAt({ a: 'alice' }, ['a'])).toBe('alice');
  expect(subjectAt({ a: 4711 }, ['a'])).toBe('4711');
  for (const a of ['', 1.5, 1e300, NaN, true, null, ['x'], 'x'.repeat(256)]) {
    expect(subjectAt({ a }, ['a'])).toBeUndefined();
  }
});
