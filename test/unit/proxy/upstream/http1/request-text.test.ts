import { describe, expect, it } from 'vitest';
import { startOf } from '../../../../../src/proxy/upstream/http1/request-text.ts';

const head = (headers: string[], changes: object = {}) =>
  startOf({ method: 'GET', path: '/one?a=1', headers, ...changes }, 'keep-alive');

describe('the head of a request to an upstream', () => {
  it('has one line for each field, and leaves its framing to the body', () => {
    expect(head(['Host', 'api', 'content-LENGTH', '4', 'X-A', '\t\xff '])).toEqual({
      text: 'GET /one?a=1 HTTP/1.1\r\nHost: api\r\nX-A: \t\xff \r\nConnection: keep-alive\r\n',
      contentLength: 4,
    });
    expect(head(['Host', 'api'])).toMatchObject({ contentLength: undefined });
    expect(startOf({ method: 'GET', path: '/', headers: [] }, 'close').text).toContain(
      '\r\nConnection: close\r\n',
    );
  });

  it.each<[string, string[], object?]>([
    ['a line break and a field in a value', ['Authorization', 'Bearer a\r\nX-Evil: 1']],
    ['a line break at the end of a value', ['Authorization', 'Bearer a\r\n']],
    ['an empty line in a value', ['Authorization', 'Bearer a\r\n\r\nGET /evil HTTP/1.1\r\nHost: api']],
    ['a bare LF in a value', ['X-A', 'a\nX-Evil: 1']],
    ['a bare CR in a value', ['X-A', 'a\rX-Evil: 1']],
    ['a CR at the end of a value', ['X-A', 'a\r']],
    ['a NUL in a value', ['X-A', 'a\0b']],
    ['characters whose low bytes are CR and LF', ['X-A', 'a\u010d\u010aX-Evil: 1']],
    ['a character outside of Latin-1', ['X-A', '\u20ac']],
    ['a line break in a name', ['X-A: 1\r\nX-B', '2']],
    ['a line break in the path', [], { path: '/one HTTP/1.1\r\nX-Evil: 1\r\nX:' }],
    ['a line break in the method', [], { method: 'GET / HTTP/1.1\r\nX-Evil:' }],
    ['a space in the path', [], { path: '/one two' }],
    ['a tab in the path', [], { path: '/one\ttwo' }],
    ['a control character in the path', [], { path: '/one\x01' }],
    ['a character outside of Latin-1 in the path', [], { path: '/\u0120' }],
    ['no path', [], { path: '' }],
    ['a space in the method', [], { method: 'GET /evil' }],
    ['no method', [], { method: '' }],
    ['a length below zero', ['Content-Length', '-1']],
    ['a length that is no number', ['Content-Length', '1, 1']],
  ])('is never sent with %s', (_what, headers, changes) => {
    expect(() => head(['Host', 'api', ...headers], changes)).toThrow(
      expect.objectContaining({ kind: 'unsendable' }),
    );
  });
});
