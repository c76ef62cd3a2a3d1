import { describe, expect, it } from 'vitest';
import { splitList, trimWhitespace } from '../../../src/fields/whitespace.ts';

describe('trimWhitespace', () => {
  it.each([
    ['', ''],
    [' \t ', ''],
    ['a', 'a'],
    [' \ta b\t ', 'a b'],
  ])('trimWhitespace strips SP and HTAB around %j', (text, trimmed) => {
    expect(trimWhitespace(text)).toBe(trimmed);
  });

  it.each(['\u00a0', '\ufeff', '\v', '\f', '\r', '\n', '\u0085', '\u2003'])(
    'trimWhitespace keeps %j, which is not whitespace in a field value',
    (character) => {
      expect(trimWhitespace(`${character}a${character}`)).toBe(`${character}a${character}`);
    },
  );
});

describe('splitList', () => {
  it('splitList splits at commas and strips SP and HTAB around each part', () => {
    expect(splitList('a ,\tb,,c\u00a0')).toEqual(['a', 'b', '', 'c\u00a0']);
  });
});
