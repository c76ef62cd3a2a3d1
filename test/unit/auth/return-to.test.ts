import { describe, expect, it } from 'vitest';
import { createReturnTo } from '../../../src/auth/return-to.ts';

const baseUrl = 'https://app.example.com';
const returnTo = createReturnTo(baseUrl, '/auth');

/** The URL that a browser on this origin opens for this Location. */
const openedUrl = (location: string) => new URL(location, `${baseUrl}/auth/callback`);

describe('returnTo', () => {
  it.each([
    '/',
    '/reports',
    '/reports/',
    '/reports?year=2026&q=a%26b',
    '/reports?next=https://other.test/x',
    '/reports?next=//other.test',
    '/#/reports',
    '/reports#july',
    '/a//b',
    '/a%2Fb',
    '/%2Fother.test',
    '/%5cother.test',
    '/%09/other.test',
    '/%0a/other.test',
    '/%zz',
    '/@other.test',
    '/other.test:443',
    '/javascript:alert(1)',
    '/authority',
    '/Auth/login',
    '/x?prefix=/auth/login',
    "/!$&'()*+,;=:@~[]",
  ])('accepts %o unchanged (B1)', (path) => {
    expect(returnTo(path)).toBe(path);
    expect(openedUrl(path).origin).toBe(baseUrl);
  });

  it.each([
    ['/a/../b', '/b'],
    ['/a/./b', '/a/b'],
    ['/%2e%2e/b', '/b'],
    ['/a"b', '/a%22b'],
    ['/a?b"c', '/a?b%22c'],
    ['/a?', '/a'],
  ])('normalizes %o to %o as a browser does (B1)', (path, read) => {
    expect(returnTo(path)).toBe(read);
    expect(openedUrl(read).href).toBe(openedUrl(path).href.replace(/\?$/, ''));
  });

  it.each([
    undefined,
    null,
    '',
    'reports',
    '?x',
    '#x',
    '.',
    '//evil.test',
    '///evil.test',
    '////evil.test',
    '/\\evil.test',
    '/\\/evil.test',
    '\\\\evil.test',
    '\\evil.test',
    '/\t/evil.test',
    '/\n/evil.test',
    '/\r/evil.test',
    '/\v/evil.test',
    '\t//evil.test',
    ' //evil.test',
    ' /x',
    '/x y',
    '/x\0',
    'https:evil.test',
    'https:/evil.test',
    'https://evil.test',
    'https:///evil.test',
    'http://app.example.com@evil.test',
    'http://app.example.com.evil.test',
    'https://app.example.com/x',
    '//app.example.com/x',
    'javascript:alert(1)',
    'data:text/html,x',
    '/./\\evil.test',
    '/..//evil.test',
    '/.//evil.test',
    '/a/..//evil.test',
    '/%2e%2e//evil.test',
    '/%2e//evil.test',
    '/a/%2e%2e//evil.test',
    '/x\\evil.test',
    '/x?next=\\evil.test',
    '\uff0f\uff0fevil.test',
    '/\uff0fevil.test',
    '/é',
    '[object Object]',
    '/auth',
    '/auth/',
    '/auth/login',
    '/auth/logout?x',
    '/auth?x',
    '/auth#x',
    '/x/../auth/login',
    '/%2e/auth/login',
  ])('rejects %j (B1)', (value) => {
    expect(returnTo(value)).toBeUndefined();
  });

  it('never leads to another origin, whatever ambiguous characters are combined (B1)', () => {
    const pieces = [
      '/',
      '\\',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '\t',
      '@',
      ':',
      '?',
      '#',
      'evil.test',
      'https:',
      ';',
    ];
    const together = pieces.flatMap((a) =>
      pieces.flatMap((b) => pieces.flatMap((c) => pieces.map((d) => a + b + c + d))),
    );
    const astray = together.filter((value) => {
      const accepted = returnTo(`/${value}`);
      if (accepted === undefined) return false;
      const { origin, pathname } = openedUrl(accepted);
      return origin !== baseUrl || pathname.startsWith('//') || !/^\/(?![/\\])[\x21-\x7e]*$/.test(accepted);
    });
    expect(together).toHaveLength(pieces.length ** 4);
    expect(astray).toEqual([]);
  });

  it('accepts only paths short enough for the login cookie, before and after percent-encoding', () => {
    expect(returnTo(`/${'a'.repeat(1_023)}`)).toHaveLength(1_024);
    expect(returnTo(`/${'a'.repeat(1_024)}`)).toBeUndefined();
    expect(returnTo(`/${'"'.repeat(500)}`)).toBeUndefined();
    expect(returnTo(`/${'a'.repeat(65_536)}`)).toBeUndefined();
  });

  it('recognizes its own origin on loopback and under another prefix', () => {
    const local = createReturnTo('http://127.0.0.1:3000', '/bff');
    expect(local('/auth/login')).toBe('/auth/login');
    expect(local('/bff/login')).toBeUndefined();
    expect(local('//127.0.0.1:3000/x')).toBeUndefined();
  });
});
