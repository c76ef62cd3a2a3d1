import { describe, expect, it } from 'vitest';
import { parseResponse } from '../../../testkit/network/raw-response.ts';

const OPEN = { method: 'GET', ended: false };

describe('parseResponse', () => {
  it('waits for the whole of a body with a Content-Length', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody';
    for (let length = 0; length < text.length; length += 1)
      expect(parse(text.slice(0, length))).toBeUndefined();
    expect(parse(`${text}HTTP/1.1`)).toMatchObject({
      status: 200,
      body: Buffer.from('body'),
      raw: Buffer.from(text),
    });
  });

  it('joins chunks, ignores their extensions and reads the trailers', () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nSum: 13\r\n\r\n';
    for (let length = 0; length < text.length; length += 1)
      expect(parse(text.slice(0, length))).toBeUndefined();
    expect(parse(text)).toMatchObject({
      body: Buffer.from('abc0123456789'),
      trailers: [['Sum', '13']],
      raw: Buffer.from(text),
    });
  });

  it('ends a body without framing with the connection', () => {
    const text = 'HTTP/1.0 200 OK\r\n\r\nbody';
    expect(parse(text)).toBeUndefined();
    expect(parse(text, { method: 'GET', ended: true })?.body.toString()).toBe('body');
  });

  it('never completes a truncated body', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody';
    expect(parse(text, { method: 'GET', ended: true })).toBeUndefined();
  });

  it('expects no body after HEAD, 204 and 304', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';
    expect(parse(text, { method: 'HEAD', ended: false })?.body).toHaveLength(0);
    expect(parse('HTTP/1.1 204 No Content\r\n\r\n')?.status).toBe(204);
    expect(parse('HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n')?.status).toBe(304);
  });

  it('separates interim responses', () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    expect(parse(hints)).toBeUndefined();
    expect(parse(`${hints}HTTP/1.1 204 No Content\r\n\r\n`)).toMatchObject({
      status: 204,
      interim: [{ status: 103, headers: [['Link', '</a>']] }],
    });
  });

  it('keeps repeated fields separate and finds them in any case', () => {
    const response = parse('HTTP/1.1 204 No Content\r\nX-A: 1\r\nx-a: 2\r\n\r\n');
    expect(response?.headers).toEqual([
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    expect(response?.header('X-a')).toBe('1, 2');
    expect(response?.header('absent')).toBeUndefined();
  });

  it('rejects bytes that are not HTTP', () => {
    expect(() => parse('SSH-2.0-OpenSSH\r\n\r\n')).toThrow('not a status line');
    expect(() => parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')).toThrow(
      'not a chunk size',
    );
  });
});

function parse(text: string, context = OPEN) {
  return parseResponse(Buffer.from(text, 'latin1'), context);
}
