import { expect, it } from 'vitest';
import { userKey } from '../../../src/auth/username.ts';

it.each([
  'alice',
  'ALICE',
  ' Alice\t',
  'a\u00A0lice',
  'ａｌｉｃｅ',
  'a\u200Blice',
  '\u202Ealice',
  'alice\u0000',
  'álice',
])('gives %j the key of alice', (spelling) => expect(userKey(spelling)).toBe('alice'));

it.each([
  ['straße', 'STRASSE'],
  ['ſmith', 'smith'],
])('gives %s and %s one key', (one, other) => expect(userKey(one)).toBe(userKey(other)));

it('gives different user names different keys', () => {
  const names = ['alice', 'alicia', 'a.lice', 'alice@example.com', 'अलि', 'अली', '小明', '小红'];
  expect(new Set(names.map(userKey)).size).toBe(names.length);
});
