import { describe, expect, it } from 'vitest';
import { parseRoute, routeProblems } from '../sample.ts';

describe('header rules', () => {
  it('header rules convert names to lower case', () => {
    const rules = { set: { 'X-Tenant': 'acme' }, remove: ['X-Debug'] };
    const read = { set: { 'x-tenant': 'acme' }, remove: ['x-debug'] };
    const parsed = parseRoute({ requestHeaders: rules, responseHeaders: rules });
    expect(parsed).toMatchObject({ requestHeaders: read, responseHeaders: read });
  });

  it('header rules reject names with characters other than letters, digits and hyphens', () => {
    expect(routeProblems({ requestHeaders: { set: { x_y: '1' }, remove: ['a b', ''] } })).toEqual([
      'requestHeaders.set.x_y: expected a header name of letters, digits and hyphens',
      'requestHeaders.remove[0]: expected a header name of letters, digits and hyphens, got a string of 3 characters',
      'requestHeaders.remove[1]: expected a header name of letters, digits and hyphens, got a string of 0 characters',
    ]);
  });

  it.each(['a\r\nX-Evil: 1', 'a\nb', 'a\0', 'a\x7f', '\u20ac'])(
    'header rules reject the value %o without revealing it',
    (value) => {
      expect(routeProblems({ responseHeaders: { set: { 'X-A': value } } })).toEqual([
        `responseHeaders.set.X-A: expected a header value: printable Latin-1 characters on one line, got a string of ${value.length} characters`,
      ]);
    },
  );

  it.each([
    'Authorization',
    'Cookie',
    'Host',
    'Connection',
    'Content-Length',
    'Keep-Alive',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
  ])('header rules may not set %s on requests', (name) => {
    expect(routeProblems({ requestHeaders: { set: { [name]: 'x' } } })).toEqual([
      `requestHeaders.set.${name}: the gateway sets this field itself; it cannot be overridden`,
    ]);
  });

  it('header rules may not set fields that frame a response', () => {
    expect(
      routeProblems({ responseHeaders: { set: { 'transfer-encoding': 'chunked', Connection: 'x' } } }),
    ).toHaveLength(2);
  });

  it('header rules reject one field written twice in different case', () => {
    expect(routeProblems({ requestHeaders: { set: { 'X-A': '1', 'x-a': '2' } } })).toEqual([
      'requestHeaders.set.x-a: this field is set twice; field names are case-insensitive',
    ]);
  });
});
