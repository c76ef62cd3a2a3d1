import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import { startRawUpstream } from '../../../testkit/network/raw-upstream.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import {
  respondEarly,
  earlyHints,
  inSequence,
  redirect,
  requireToken,
  setCookie,
  slowHeaders,
  status,
  trailers,
} from '../../../testkit/upstream/behaviours.ts';
import {
  controlledStream,
  cutMidBody,
  eventStream,
  garbage,
  hangUp,
  largeBody,
  slowBody,
} from '../../../testkit/upstream/streams.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';

let upstream: Upstream;

beforeEach(async () => {
  upstream = await startUpstream();
});

afterEach(async () => {
  await upstream.close();
});

describe('the test upstream', () => {
  it('echoes the request line, the fields in order, the body and the trailers unchanged', async () => {
    const request = [
      'POST /a//b?c=%2F HTTP/1.1',
      'Host: a',
      'X-Twice: 1',
      'x-twice: 2',
      'Transfer-Encoding: chunked',
      '',
      '4\r\nbody\r\n0\r\nSum: 4\r\n\r\n',
    ].join('\r\n');
    const { body } = await rawRequest(upstream.port, request);
    const headers = [
      ['Host', 'a'],
      ['X-Twice', '1'],
      ['x-twice', '2'],
      ['Transfer-Encoding', 'chunked'],
    ];
    const bodySha256 = createHash('sha256').update('body').digest('hex');
    const expected = { method: 'POST', target: '/a//b?c=%2F', headers, bodySha256, trailers: [['Sum', '4']] };
    expect(JSON.parse(body.toString())).toEqual({ ...expected, bodyBytes: 4 });
    await upstream.requests[0]?.over;
    expect(upstream.requests).toMatchObject([
      { ...expected, body: Buffer.from('body'), status: 200, aborted: false },
    ]);
  });

  it('records a client that disconnects', async () => {
    const stream = controlledStream();
    upstream.respond(stream.behaviour);
    const connection = await openRaw(upstream.port);
    connection.write(GET);
    await stream.opened;
    connection.close();
    await upstream.requests[0]?.over;
    expect(upstream.requests).toMatchObject([{ aborted: true, status: 200 }]);
  });

  it('records a client that disconnects during its body', async () => {
    const connection = await openRaw(upstream.port);
    connection.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody');
    await expect.poll(() => upstream.requests[0]?.bodyBytes).toBe(4);
    connection.reset();
    await upstream.requests[0]?.over;
    expect(upstream.requests).toMatchObject([{ aborted: true, bodySha256: undefined }]);
  });

  it('sends 100 for Expect and can respond early without it', async () => {
    const head = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n';
    const connection = await openRaw(upstream.port);
    connection.write(head);
    expect((await connection.readUntil('\r\n\r\n')).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    connection.write('body');
    expect((await connection.readResponse()).status).toBe(200);
    connection.close();
    expect(upstream.requests[0]?.bodyBytes).toBe(4);

    upstream.respond(respondEarly(413));
    expect(await rawRequest(upstream.port, head)).toMatchObject({ status: 413, interim: [] });
  });

  it('accepts only valid tokens when configured so', async () => {
    upstream.respond(requireToken((token) => token === 'good'));
    const call = (token: string) =>
      rawRequest(upstream.port, `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    expect((await call('good')).status).toBe(200);
    const refused = await call('bad');
    expect(refused.status).toBe(401);
    expect(refused.header('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
    expect((await rawRequest(upstream.port, GET)).status).toBe(401);
  });

  it('responds with each of the predefined behaviours', async () => {
    upstream.respond(
      inSequence(
        status(503, { 'retry-after': '7' }, 'away'),
        redirect('/b'),
        setCookie('a=1', 'b=2'),
        earlyHints('</a.css>; rel=preload'),
        trailers({ 'X-Sum': '4' }),
        slowHeaders(1),
        slowBody(['one', 'two'], 1),
        eventStream(['one', 'two'], 1),
      ),
    );
    const get = () => rawRequest(upstream.port, GET);
    const refused = await get();
    expect([refused.status, refused.header('retry-after'), refused.body.toString()]).toEqual([
      503,
      '7',
      'away',
    ]);
    expect((await get()).header('location')).toBe('/b');
    expect((await get()).headers.filter(([name]) => name === 'set-cookie')).toHaveLength(2);
    expect((await get()).interim).toMatchObject([{ status: 103 }]);
    expect((await get()).trailers).toEqual([['X-Sum', '4']]);
    expect((await get()).status).toBe(200);
    expect((await get()).body.toString()).toBe('onetwo');
    expect((await get()).body.toString()).toBe('data: one\n\ndata: two\n\n');
  });

  it.each([
    ['a truncated body of known length', cutMidBody('content-length'), 'HTTP/1.1 200 OK'],
    ['a truncated chunked body', cutMidBody('chunked'), 'HTTP/1.1 200 OK'],
    ['no response', hangUp, 'the connection ended before a whole response: ""'],
    ['bytes that are not HTTP', garbage('SSH-2.0-OpenSSH\r\n\r\n'), 'not a status line: "SSH-2.0-OpenSSH"'],
  ])('sends %s', async (_what, behaviour, seen) => {
    upstream.respond(behaviour);
    await expect(rawRequest(upstream.port, GET)).rejects.toThrow(seen);
  });

  it('stops writing a large body while the client does not read', async () => {
    const large = largeBody(64 * 1024 * 1024);
    upstream.respond(large.behaviour);
    const connection = await openRaw(upstream.port);
    connection.socket.pause();
    connection.write(GET);
    let before = -1;
    await expect
      .poll(() => {
        const still = large.writtenBytes() > 0 && large.writtenBytes() === before;
        before = large.writtenBytes();
        return still;
      })
      .toBe(true);
    expect(large.writtenBytes()).toBeLessThan(32 * 1024 * 1024);
    connection.socket.resume();
    expect((await connection.readResponse()).body).toHaveLength(64 * 1024 * 1024);
    connection.close();
  });

  it('stops and restarts on the same port', async () => {
    await upstream.stop();
    await expect(rawRequest(upstream.port, GET)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await upstream.start();
    expect((await rawRequest(upstream.port, GET)).status).toBe(200);
  });
});

describe('the raw test upstream', () => {
  it('sends arbitrary bytes and records what it receives', async () => {
    const raw = await startRawUpstream(async (socket, head) => {
      await head;
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok');
    });
    const connection = await openRaw(raw.port);
    connection.write(GET);
    await connection.ended;
    expect(connection.pending().toString()).toContain('Content-Length: 2\r\nContent-Length: 2');
    expect(raw.received.map(String)).toEqual([GET]);
    connection.close();
    await raw.close();
  });

  it('notices a client that half-closes', async () => {
    const raw = await startRawUpstream(async (socket) => {
      await once(socket, 'end');
      socket.end('late');
    });
    const connection = await openRaw(raw.port);
    connection.end();
    expect((await connection.readUntil('late')).toString()).toBe('late');
    await raw.close();
  });
});
