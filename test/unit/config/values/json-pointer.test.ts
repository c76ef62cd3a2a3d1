import { expect, it } from 'vitest';
import { jsonPointer } from '../../../../src/config/values/json-pointer.ts';

it.each([
  ['/token', ['token']],
  ['/data/tokens/0', ['data', 'tokens', '0']],
  ['/a~1b/m~0n/~01', ['a/b', 'm~n', '~1']],
  ['/', ['']],
  ['/ /ä', [' ', 'ä']],
])('parses the JSON Pointer %s', (text, keys) => {
  expect(jsonPointer().parse(text)).toEqual(keys);
});

it.each(['', 'token', '$.token', '#/token', '/a~2', '/a~', 7])('rejects the JSON Pointer %j', (text) => {
  expect(jsonPointer().safeParse(text).success).toBe(false);
});
