import { describe, expect, it } from 'vitest';
import { parsePieces, type ParsedResponse } from '../../../../../testkit/network/parsed-response.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** Valid responses, the method of their request, and what is read from them. */
const valid: [what: string, method: string, text: string, read: Partial<ParsedResponse>][] = [
  [
    'a length',
    'GET',
    `${OK}Content-Length: 2\r\n\r\nok`,
    { status: 200, body: 'ok', fields: { 'content-length': '2' } },
  ],
  ['a length of zero', 'GET', `${OK}Content-Length: 0\r\n\r\n`, { status: 200, isReusable: true }],
  ['chunks', 'GET', `${CHUNKED}2\r\nok\r\n1\r\n!\r\n0\r\n\r\n`, { body: 'ok!', isReusable: true }],
  [
    'chunks whose sizes begin with zeros',
    'GET',
    `${CHUNKED}00000000000000000002\r\nok\r\n000\r\n\r\n`,
    { body: 'ok', isReusable: true },
  ],
  [
    'chunks with extensions and sizes in capitals',
    'GET',
    `${CHUNKED}A;a=b\r\n0123456789\r\n002;x="y z"\r\nok\r\n0;last\r\n\r\n`,
    { body: '0123456789ok' },
  ],
  [
    'trailers',
    'GET',
    `${CHUNKED}2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\nX-Other:  a \r\n\r\n`,
    { body: 'ok', trailers: { 'x-sum': ['1', '2'], 'x-other': 'a' } },
  ],
  [
    'a body that ends with the connection',
    'GET',
    `${OK}\r\nok\r\n\r\nok`,
    { body: 'ok\r\n\r\nok', isReusable: false },
  ],
  ['no reason', 'GET', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', { status: 200 }],
  ['an empty reason', 'GET', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', { status: 200 }],
  [
    'a reason in Latin-1',
    'GET',
    'HTTP/1.1 404 Nicht da: \xfcbel\r\nContent-Length: 0\r\n\r\n',
    { status: 404 },
  ],
  [
    'HTTP/1.0',
    'GET',
    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok',
    { body: 'ok', isReusable: false },
  ],
  [
    'HTTP/1.0 with chunks',
    'GET',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    { body: 'ok', isReusable: false },
  ],
  [
    'Connection: close',
    'GET',
    `${OK}Connection: x, Close\r\nContent-Length: 0\r\n\r\n`,
    { isReusable: false },
  ],
  [
    'close in another Connection',
    'GET',
    `${OK}Connection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    { isReusable: false },
  ],
  [
    'values with white space, colons and every character of Latin-1',
    'GET',
    `${OK}X-A:\t a: b\t \r\nX-B:\r\nX-C: \x80\xff\r\nContent-Length: 0\r\n\r\n`,
    { fields: { 'x-a': 'a: b', 'x-b': '', 'x-c': '\x80\xff', 'content-length': '0' } },
  ],
  [
    'repeated fields, and names of JavaScript',
    'GET',
    `${OK}Set-Cookie: a\r\nset-cookie: b\r\nSET-COOKIE: c\r\nconstructor: d\r\n__proto__: e\r\nContent-Length: 0\r\n\r\n`,
    {
      fields: Object.fromEntries([
        ['set-cookie', ['a', 'b', 'c']],
        ['constructor', 'd'],
        ['__proto__', 'e'],
        ['content-length', '0'],
      ]),
    },
  ],
  [
    'informational responses before it',
    'GET',
    `${HINT}${HINT}${OK}Content-Length: 2\r\n\r\nok`,
    { informational: 2, body: 'ok' },
  ],
  [
    '100 before it',
    'POST',
    `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
    { informational: 1, body: 'ok' },
  ],
  ['a HEAD request', 'HEAD', `${OK}Content-Length: 2\r\n\r\n`, { status: 200 }],
  ['a HEAD request and chunks', 'HEAD', CHUNKED, { status: 200 }],
  [
    'a HEAD request and a body',
    'HEAD',
    `${OK}Content-Length: 2\r\n\r\nok`,
    { excess: 'ok', isReusable: false },
  ],
  ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, isReusable: true }],
  [
    '304 with a length',
    'GET',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    { status: 304, isReusable: false },
  ],
  [
    'a second response behind it',
    'GET',
    `${OK}Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    { body: 'ok', excess: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil' },
  ],
  ['bytes behind its chunks', 'GET', `${CHUNKED}0\r\n\r\n\r\n`, { excess: '\r\n' }],
];

const field = (text: string) => `${OK}${text}\r\nContent-Length: 0\r\n\r\n`;

/** What is not HTTP/1.1, or what another reader could frame differently. */
const invalid: [what: string, text: string][] = [
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['HTTP/0.9', '<html>hello</html>'],
  ['a small http', 'http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.9'],
  ['a beginning that is nothing', 'x'],
  ['an empty line before it', `\r\n${OK}Content-Length: 0\r\n\r\n`],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['a tab before the reason', 'HTTP/1.1 200\tOK\r\n\r\n'],
  ['101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\n\r\n'],
  ['LF at the end of the status line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['LF at the end of a field', `${OK}X-A: 1\nContent-Length: 0\r\n\r\n`],
  ['LF at the end of the head', `${OK}Content-Length: 0\r\n\nX: y\r\n\r\n`],
  ['a folded line', field('X-A: 1\r\n folded')],
  ['a folded first line', `${OK} X-A: 1\r\n\r\n`],
  ['a space before the colon', field('X-A : 1')],
  ['a space before the name', field(' X-A: 1')],
  ['no colon', field('X-A')],
  ['no name', field(': 1')],
  ['a name that is no token', field('X(A): 1')],
  ['a name outside of ASCII', field('X-\xc4: 1')],
  ['a bare CR in a value', field('X-A: a\rX-B: b')],
  ['a bare CR before CR LF', field('X-A: a\r')],
  ['a NUL in a value', field('X-A: a\0b')],
  ['a control character in a value', field('X-A: a\x01b')],
  ['DEL in a value', field('X-A: a\x7fb')],
  ['a control character in the reason', 'HTTP/1.1 200 O\x08K\r\nContent-Length: 0\r\n\r\n'],
  ['two lengths', field('Content-Length: 0')],
  ['a list of lengths', `${OK}Content-Length: 2, 2\r\n\r\nok`],
  ['an empty length', `${OK}Content-Length:\r\n\r\n`],
  ['a signed length', `${OK}Content-Length: +2\r\n\r\nok`],
  ['a negative length', `${OK}Content-Length: -1\r\n\r\nok`],
  ['a hexadecimal length', `${OK}Content-Length: 0x2\r\n\r\nok`],
  ['a length that is too large to count', `${OK}Content-Length: 99999999999999999999\r\n\r\nok`],
  ['a length and chunks', `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['another coding', `${OK}Transfer-Encoding: gzip\r\n\r\n`],
  ['another coding before chunked', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['chunked twice', `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunked with a parameter', `${OK}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n`],
  ['chunked in quotes', `${OK}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
  ['chunked behind a vertical tab', `${OK}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['a head that is too large', field(`X-A: ${'a'.repeat(65_600)}`)],
  ['a head that ends early', `${OK}Content-Length: 0\r\n`],
  ['informational responses only', HINT],
  ['no size of a chunk', `${CHUNKED}\r\nok\r\n0\r\n\r\n`],
  ['a size that is no number', `${CHUNKED}xyz\r\n`],
  ['a negative size', `${CHUNKED}-2\r\nok\r\n0\r\n\r\n`],
  ['a size in another notation', `${CHUNKED}0x2\r\nok\r\n0\r\n\r\n`],
  ['a size with a space before it', `${CHUNKED} 2\r\nok\r\n0\r\n\r\n`],
  ['a size that is too large to count', `${CHUNKED}${'f'.repeat(16)}\r\nok\r\n`],
  ['a space after a size', `${CHUNKED}2 ;a\r\nok\r\n0\r\n\r\n`],
  ['an extension without a name', `${CHUNKED}2;\r\nok\r\n0\r\n\r\n`],
  ['an extension that is no token', `${CHUNKED}2;a b\r\nok\r\n0\r\n\r\n`],
  ['an extension in open quotes', `${CHUNKED}2;a="b\r\nok\r\n0\r\n\r\n`],
  ['LF after a size', `${CHUNKED}2\nok\r\n0\r\n\r\n`],
  ['LF in an extension', `${CHUNKED}2;a\nok\r\n0\r\n\r\n`],
  ['a bare CR in an extension', `${CHUNKED}2;a\rb\r\nok\r\n0\r\n\r\n`],
  ['an extension that is too long', `${CHUNKED}2;${'a'.repeat(4_096)}\r\nok\r\n0\r\n\r\n`],
  ['a chunk without its end', `${CHUNKED}2\r\nok0\r\n\r\n`],
  ['two LFs after a chunk', `${CHUNKED}2\r\nok\n\n0\r\n\r\n`],
  ['LF after a chunk', `${CHUNKED}2\r\nok\n0\r\n\r\n`],
  ['a longer chunk than its size', `${CHUNKED}2\r\nokay\r\n0\r\n\r\n`],
  ['a trailer that is no field', `${CHUNKED}0\r\nX-Sum\r\n\r\n`],
  ['a folded trailer', `${CHUNKED}0\r\nX-Sum: 1\r\n 2\r\n\r\n`],
  ['LF after a trailer', `${CHUNKED}0\r\nX-Sum: 1\n\r\n`],
  ['trailers that are too large', `${CHUNKED}0\r\nX-A: ${'a'.repeat(65_600)}\r\n\r\n`],
];

/** What ends before the body is whole. */
const incomplete: [what: string, text: string][] = [
  ['before the body', `${OK}Content-Length: 2\r\n\r\n`],
  ['in the body', `${OK}Content-Length: 2\r\n\r\no`],
  ['before the chunks', CHUNKED],
  ['in a size', `${CHUNKED}2`],
  ['in a chunk', `${CHUNKED}2\r\no`],
  ['after a chunk', `${CHUNKED}2\r\nok\r\n`],
  ['before the last line', `${CHUNKED}2\r\nok\r\n0\r\n`],
  ['in the trailers', `${CHUNKED}2\r\nok\r\n0\r\nX-Sum: 1\r\n`],
];

describe('a response', () => {
  it.each(valid)('with %s is read', (_what, method, text, read) => {
    expect(parsePieces([text], method)).toMatchObject(read);
    expect(parsePieces([text], method).failure).toBeUndefined();
  });

  it.each(invalid)('with %s is invalid', (_what, text) => {
    expect(parsePieces([text]).failure).toBe('invalid');
  });

  it.each(incomplete)('that ends %s is incomplete', (_what, text) => {
    expect(parsePieces([text])).toMatchObject({ status: 200, failure: 'incomplete' });
  });

  it('that does not begin is told apart', () => {
    expect(parsePieces([])).toEqual({ informational: 0, failure: 'closed' });
  });

  it('has a head of 65,536 bytes at most, in one piece and in two', () => {
    const fixed = `${OK}X-A: \r\nContent-Length: 0\r\n\r\n`.length;
    const largest = field(`X-A: ${'a'.repeat(65_536 - fixed)}`);
    const larger = field(`X-A: ${'a'.repeat(65_537 - fixed)}`);
    for (const at of [0, 1, 60_000, 65_535])
      expect(
        [largest, larger].map((text) => parsePieces([text.slice(0, at), text.slice(at)]).failure),
      ).toEqual([undefined, 'invalid']);
  });

  const short = ([, text]: [string, string]) => text.length < 1_000;
  const all = [
    ...valid.map(([what, method, text]) => [what, text, method] as const),
    ...[...invalid, ...incomplete].filter(short).map(([what, text]) => [what, text, 'GET'] as const),
  ];

  it.each(all)('with %s is read alike in every two pieces, and byte by byte', (_what, text, method) => {
    const whole = parsePieces([text], method);
    for (let at = 1; at < text.length; at += 1)
      expect(parsePieces([text.slice(0, at), text.slice(at)], method)).toEqual(whole);
    expect(parsePieces(text.split(''), method)).toEqual(whole);
  });
});
