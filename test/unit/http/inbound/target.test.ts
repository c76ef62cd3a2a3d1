import { describe, expect, it } from 'vitest';
import { parseTarget } from '../../../../src/http/inbound/target.ts';

/** The result of the target check: the path and query, or the error code. */
function read(url: string | undefined): { path: string; query: string } | string {
  try {
    return parseTarget(url);
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

describe('a request target', () => {
  it.each([
    ['/', '/', ''],
    ['/api/x', '/api/x', ''],
    ['/api/x?', '/api/x', '?'],
    ['/api/x?a=1&b=2', '/api/x', '?a=1&b=2'],
    ['/api/x?a=?b', '/api/x', '?a=?b'],
    ['/?x', '/', '?x'],
  ])('the target %o has a path and a query', (url, path, query) => {
    expect(read(url)).toEqual({ path, query });
  });

  it.each([
    '/api/a%2Fb',
    '/api/a%2fb',
    '/api//x',
    '/api/x//',
    '/api/x/',
    '/API/x',
    '/apifoo',
    '/%61pi/x',
    '/api/x%20y',
    '/api/%7Euser',
    '/api/%E2%82%AC',
    '/api/%F0%9F%92%B6',
    '/api/caf%C3%A9',
    '/api/%EF%BC%8E%EF%BC%8E/admin',
    '/api/...',
    '/api/..a/b',
    '/api/a../b',
    '/api/.hidden/x',
    '/.well-known/x',
    '/api/a;b=1/c',
    '/api/;/x',
    '/api/100%25',
    '/api/%2525',
    '/api/%25zz',
    '/api/a"b<c>d^e`f{g|h}i',
    "/api/!$&'()*+,;=:@-._~",
    '/api/[1]',
    '/api/http://other.test/x',
    '/api/@other.test',
  ])('the target %o passes unchanged, byte for byte (F13)', (url) => {
    expect(read(url)).toEqual({ path: url, query: '' });
    expect(read(`${url}?q`)).toEqual({ path: url, query: '?q' });
  });

  it.each([
    '?/../..',
    '?path=..%2f..%2fadmin',
    '?a=\\b',
    '?a=%5c%00%zz',
    '?next=//other.test',
    '?"<>^`{|}',
    '?a=b?c',
  ])('the target accepts the query %o, which decides nothing (F13)', (query) => {
    expect(read(`/api/x${query}`)).toEqual({ path: '/api/x', query });
  });

  it.each([
    '/api/../admin',
    '/api/..',
    '/api/.',
    '/api/./x',
    '/..',
    '/.',
    '/./',
    '/../x',
    '/api/..%2fadmin',
    '/api/..%2Fadmin',
    '/api/%2e%2e/admin',
    '/api/%2E%2E/admin',
    '/api/.%2e/admin',
    '/api/%2e./admin',
    '/api/%2e',
    '/api/%2e%2e%2fadmin',
    '/api%2f..%2fadmin',
    '/public%2f..%2fsecret',
    '/api/%252e%252e/admin',
    '/api/%252e%252e%252fadmin',
    '/api/..%252fadmin',
    '/api/%25%32%65%25%32%65/admin',
    '/api/..;/admin',
    '/api/..;a=1/admin',
    '/api/.;/x',
    '/api/..%3b/admin',
    '/api/%2e%2e%3b/admin',
    '/api/%2e%2e;/admin',
    '/api/..%23',
    '/api/..%3fx',
    '/api/..%2523x',
    '/api/.%23x',
    '/api/..;%23x',
    '/../x?y',
  ])('the target %o is rejected: a server could read a dot segment in it (F13)', (url) => {
    expect(read(url)).toBe('bad_request');
  });

  it.each([
    '/api/..\\admin',
    '/api\\x',
    '\\\\other.test',
    '/\\other.test',
    '/api/%5c..',
    '/api/%5C..%5Cadmin',
    '/api/%255c..',
    '/api/x%5Cy',
  ])('the target %o is rejected for its backslash (F13)', (url) => {
    expect(read(url)).toBe('bad_request');
  });

  it.each([
    '/api/.%00./admin',
    '/api/x%00',
    '/api/x%0d%0aSet-Cookie:%20a=b',
    '/api/%09/x',
    '/api/%7f',
    '/api/%2500',
    '/api/x\r\n',
    '/api/x y',
    '/api/x\t',
    '/api/\0',
    '/api/é',
    '/api/\uff0e\uff0e/admin',
  ])('the target %j is rejected for a character that is invalid in a path (F13)', (url) => {
    expect(read(url)).toBe('bad_request');
  });

  it.each([
    '/api/%c0%af',
    '/api/%c0%ae%c0%ae/admin',
    '/api/%C1%9C..',
    '/api/%e0%80%af',
    '/api/%e0%80%ae%e0%80%ae/admin',
    '/api/%f0%80%80%ae',
    '/api/%25c0%25ae',
  ])('the target %o is rejected for an overlong encoding (F13)', (url) => {
    expect(read(url)).toBe('bad_request');
  });

  it.each(['/api/%', '/api/%2', '/api/%zz', '/api/%u002e%u002e/x', '/api/%%35c', '/%'])(
    'the target %o is rejected for a malformed encoding (F13)',
    (url) => {
      expect(read(url)).toBe('bad_request');
    },
  );

  it.each([
    undefined,
    '',
    '*',
    'api/x',
    '?x',
    '#',
    '/api/x#frag',
    '/api/x?a#frag',
    'http://app.example.com/api/x',
    'http://169.254.169.254/',
    'https://other.test/api/x',
    '//other.test/api',
    '//api/x',
    '///x',
    '//',
    '@other.test/api',
    'other.test:443',
    'javascript:alert(1)',
  ])('the target %o is rejected: it is not a path on this server (F15)', (url) => {
    expect(read(url)).toBe('bad_request');
  });

  it('the accepted target is the one that is forwarded, so that no server on the way reads another path (F13)', () => {
    const pieces = ['..', '.', '%2e', '%2E%2e', 'a', '', '%2f', ';', '%25', 'b..', '%5c'];
    const urls = pieces.flatMap((first) =>
      pieces.flatMap((second) => pieces.map((third) => `/api/${first}/${second}${third}/x`)),
    );
    const accepted = urls.filter((url) => typeof read(url) !== 'string');
    expect(accepted.length).toBeGreaterThan(100);
    const astray = accepted
      .flatMap(readings)
      .filter((seen) => new URL(seen, 'http://api.test').pathname !== seen || !seen.startsWith('/api/'));
    expect(astray).toEqual([]);
  });

  it('the longest target that Node accepts is checked in linear time', () => {
    for (const piece of ['/a', '%2f', '..a', '%25', ';', '/.'.repeat(2)]) {
      read(`/api/${piece.repeat(16_384 / piece.length)}`);
    }
  });
});

/** The path unchanged, decoded once and decoded twice, as far as possible. */
function readings(path: string): string[] {
  const decoded = (text: string) => text.replace(/%2e/gi, '.').replace(/%2f/gi, '/').replace(/%25/g, '%');
  return [path, decoded(path), decoded(decoded(path))];
}
