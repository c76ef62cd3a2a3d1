import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../../testkit/network/header-list.ts';
import { rawRequest } from '../../../../testkit/network/raw-client.ts';
import { startRawUpstream } from '../../../../testkit/network/raw-upstream.ts';
import { earlyHints, status, trailers, withHeaders } from '../../../../testkit/upstream/behaviours.ts';
import { type Fixture, respondingWith, codeOf, namesOf, openFixture, sha256 } from '../fixture.ts';

/** Every octet, including some that look like delimiters. */
const octets = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
  Buffer.from('\r\n0\r\n\r\n--boundary\r\n{"a":'),
]);

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [{ path: '/small', maxBody: '1kb', replayBody: '16' }],
    config: {},
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

const chunked = (...chunks: (string | Buffer)[]) =>
  Buffer.concat([
    ...chunks.flatMap((chunk) => [
      Buffer.from(`${Buffer.byteLength(chunk).toString(16)}\r\n`),
      Buffer.from(chunk),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('0\r\n\r\n'),
  ]);

describe('a request body', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'is forwarded unchanged on %s with Content-Length or chunked (standards: F28)',
    async (method) => {
      const known = await fixture.send(
        `${method} /api/one HTTP/1.1`,
        [`Content-Length: ${octets.length}`],
        octets,
      );
      expect(known.status).toBe(200);
      const first = fixture.received();
      expect([first.method, first.bodySha256]).toEqual([method, sha256(octets)]);
      expect(valuesOf(first.headers, 'content-length')).toEqual([`${octets.length}`]);
      expect(namesOf(first.headers)).not.toContain('transfer-encoding');

      const connection = await fixture.open();
      connection.write(fixture.head(`${method} /api/one HTTP/1.1`, 'Transfer-Encoding: chunked'));
      const pieces = chunked(octets.subarray(0, 7), octets.subarray(7));
      connection.write(pieces.subarray(0, 12));
      await expect.poll(() => fixture.upstream.requests[0]?.bodyBytes).toBe(7);
      connection.write(pieces.subarray(12));
      expect((await connection.readResponse(method)).status).toBe(200);
      connection.close();
      const second = fixture.received();
      expect([second.method, second.bodySha256]).toEqual([method, sha256(octets)]);
      expect(valuesOf(second.headers, 'transfer-encoding')).toEqual(['chunked']);
      expect(namesOf(second.headers)).not.toContain('content-length');
    },
  );

  it('is forwarded unchanged when it is compressed, multipart or malformed (standards: F28)', async () => {
    for (const [type, body] of [
      ['application/json', gzipSync('{"a":1}')],
      [
        'multipart/form-data; boundary=b',
        Buffer.from('--b\r\nContent-Disposition: form-data; name="a\r\nb"\r\n\r\n1\r\n--b--'),
      ],
      ['application/json', Buffer.from('{"a":')],
      ['application/x-www-form-urlencoded', Buffer.from('a=1&a=%zz')],
    ] as const) {
      const fields = [`Content-Type: ${type}`, `Content-Length: ${body.length}`, 'Content-Encoding: gzip'];
      await fixture.send('POST /api/one HTTP/1.1', fields, body);
      const request = fixture.received();
      expect(request.bodySha256).toBe(sha256(body));
      expect(request.header('content-type')).toBe(type);
      expect(request.header('content-encoding')).toBe('gzip');
    }
  });

  it('is forwarded with exactly one framing field when all chunks arrive before forwarding begins', async () => {
    const response = await fixture.send(
      'POST /api/one HTTP/1.1',
      ['Transfer-Encoding: chunked'],
      chunked('bo', 'dy'),
    );
    expect(response.status).toBe(200);
    const { headers, body } = fixture.received();
    expect(body.toString()).toBe('body');
    expect(namesOf(headers).filter((name) => /^(content-length|transfer-encoding)$/.test(name))).toHaveLength(
      1,
    );
  });

  it('is accepted when it is empty or absent', async () => {
    for (const [fields, body] of [
      [['Content-Length: 0'], ''],
      [['Transfer-Encoding: chunked'], '0\r\n\r\n'],
      [[], ''],
    ] as const) {
      expect((await fixture.send('POST /api/one HTTP/1.1', fields, body)).status).toBe(200);
      expect(fixture.received().bodyBytes).toBe(0);
    }
  });

  it('leaves the connection usable for the next request', async () => {
    const connection = await fixture.open();
    for (const body of ['one', 'two', 'three']) {
      connection.write(fixture.head('POST /api/one HTTP/1.1', `Content-Length: ${body.length}`) + body);
      expect((await connection.readResponse('POST')).status).toBe(200);
      expect(fixture.received().body.toString()).toBe(body);
    }
    connection.close();
  });

  it('is forwarded without its trailers and their announcement, and is pooled and replayed like any other (standards: F1)', async () => {
    const fields = ['Transfer-Encoding: chunked', 'Trailer: X-Sum, Authorization'];
    const tail = ['X-Sum: 4', 'Authorization: Bearer attacker', 'X-Forwarded-For: 6.6.6.6', '', ''].join(
      '\r\n',
    );
    const response = await fixture.send('POST /api/one HTTP/1.1', fields, `4\r\nbody\r\n0\r\n${tail}`);
    expect(response.status).toBe(200);
    const request = fixture.received();
    expect(request.body.toString()).toBe('body');
    expect(request.trailers).toEqual([]);
    expect(valuesOf(request.headers, 'trailer')).toEqual([]);
    expect(fixture.provider.isAccessTokenActive(request.bearer ?? '')).toBe(true);
    const framing = namesOf(request.headers).filter((name) =>
      /^(content-length|transfer-encoding)$/.test(name),
    );
    expect(framing).toHaveLength(1);
  });

  it('is forwarded without trailers when its length is known (standards: F4)', async () => {
    const fields = ['Content-Length: 4', 'Trailer: X-Sum'];
    expect((await fixture.send('POST /api/one HTTP/1.1', fields, 'body')).status).toBe(200);
    const request = fixture.received();
    expect(request.body.toString()).toBe('body');
    expect(valuesOf(request.headers, 'content-length')).toEqual(['4']);
    expect(namesOf(request.headers)).not.toContain('transfer-encoding');

    expect((await fixture.send('GET /api/one HTTP/1.1', ['Trailer: X-Sum'])).status).toBe(200);
    expect(namesOf(fixture.received().headers)).not.toContain('transfer-encoding');
  });

  it('gets a 413 when it is too large, with Content-Length or chunked, and never completes at the upstream', async () => {
    const large = Buffer.alloc(1025, 'x');
    const declared = await fixture.send('POST /small/one HTTP/1.1', ['Content-Length: 1025'], large);
    expect([declared.status, codeOf(declared)]).toEqual([413, 'body_too_large']);
    expect(fixture.upstream.requests).toEqual([]);

    const streamed = await fixture.send(
      'POST /small/one HTTP/1.1',
      ['Transfer-Encoding: chunked'],
      chunked(large),
    );
    expect([streamed.status, codeOf(streamed)]).toEqual([413, 'body_too_large']);
    for (const request of fixture.upstream.requests.splice(0)) {
      await request.over;
      expect(request).toMatchObject({ bodySha256: undefined, aborted: true });
    }

    const allowed = await fixture.send(
      'POST /small/one HTTP/1.1',
      ['Transfer-Encoding: chunked'],
      chunked(large.subarray(1)),
    );
    expect(allowed.status).toBe(200);
  });

  it('is rejected when it has a transfer coding other than chunked (standards: F5)', async () => {
    const fields = ['Transfer-Encoding: gzip, chunked'];
    const response = await fixture.send('POST /api/one HTTP/1.1', fields, chunked(gzipSync('body')));
    expect([response.status, codeOf(response)]).toEqual([400, 'bad_request']);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('is accepted from an HTTP/1.0 client, whose response is not chunked', async () => {
    const request = `POST /api/one HTTP/1.0\r\nHost: ${fixture.host}\r\nCookie: ${fixture.ticket}\r\nX-CSRF: 1\r\nContent-Length: 4\r\n\r\nbody`;
    fixture.upstream.respond(trailers({ 'X-Sum': '1' }, 'whole'));
    const response = await rawRequest(fixture.gateway.port, request);
    expect([response.status, response.body.toString()]).toEqual([200, 'whole']);
    expect(namesOf(response.headers)).not.toContain('transfer-encoding');
    expect(fixture.received().body.toString()).toBe('body');
  });
});

describe('a response body', () => {
  it('is forwarded unchanged, with Content-Length and chunked', async () => {
    fixture.upstream.respond((_request, response) => void response.end(octets));
    const known = await fixture.send('GET /api/one HTTP/1.1');
    expect(known.header('content-length')).toBe(`${octets.length}`);
    expect(known.body.equals(octets)).toBe(true);

    fixture.upstream.respond((_request, response) => {
      response.write(octets.subarray(0, 9));
      response.end(octets.subarray(9));
    });
    const unknown = await fixture.send('GET /api/one HTTP/1.1');
    expect(unknown.header('transfer-encoding')).toBe('chunked');
    expect(unknown.body.equals(octets)).toBe(true);
  });

  it('stays compressed and the upstream receives the Accept-Encoding of the client', async () => {
    const compressed = gzipSync('{"a":1}');
    fixture.upstream.respond((_request, response) => {
      response
        .writeHead(200, { 'content-encoding': 'gzip', 'content-length': compressed.length })
        .end(compressed);
    });
    const response = await fixture.send('GET /api/one HTTP/1.1', ['Accept-Encoding: gzip, br']);
    expect(response.header('content-encoding')).toBe('gzip');
    expect(response.body.equals(compressed)).toBe(true);
    expect(fixture.received().header('accept-encoding')).toBe('gzip, br');
  });

  it('is forwarded with its trailers except those that are forbidden', async () => {
    fixture.upstream.respond(
      trailers({ 'X-Sum': '4', 'Set-Cookie': 'a=1', Authorization: 'x', 'Clear-Site-Data': '"*"' }),
    );
    const response = await fixture.send('GET /api/one HTTP/1.1', ['TE: trailers']);
    expect(response.body.toString()).toBe('body');
    expect(response.trailers).toEqual([['x-sum', '4']]);
    expect(response.header('trailer')).toBe('x-sum');
  });

  it('is forwarded without the trailers that the upstream names in Connection (standards: F1)', async () => {
    const raw = await startRawUpstream(async (socket, head) => {
      await head;
      socket.end(
        'HTTP/1.1 200 OK\r\nConnection: close, X-Inside\r\nTrailer: X-Inside, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '4\r\nbody\r\n0\r\nX-Inside: 1\r\nX-Sum: 4\r\n\r\n',
      );
    });
    const other = await openFixture({ routes: [{ path: '/raw', upstream: raw.url }] });
    for (const fields of [[], ['Transfer-Encoding: chunked', 'Trailer: X-Other']]) {
      const body = fields.length === 0 ? '' : '0\r\nX-Other: 1\r\n\r\n';
      const response = await other.send('POST /raw/one HTTP/1.1', fields, body);
      expect([response.body.toString(), response.header('trailer')]).toEqual(['body', 'x-sum']);
      expect(response.trailers).toEqual([['x-sum', '4']]);
    }
    await other.close();
    await raw.close();
  });

  it.each([
    ['HEAD', 200, { 'content-length': '1000' }],
    ['GET', 204, {}],
    ['GET', 304, { etag: '"1"' }],
    ['GET', 304, { 'content-length': '1000' }],
    ['GET', 205, { 'content-length': '0' }],
    ['GET', 200, { 'content-length': '0' }],
  ])(
    'is empty on %s with %i and %j and the next request on the connection succeeds',
    async (method, code, headers) => {
      fixture.upstream.respond((_request, response) => void response.writeHead(code, headers).end());
      const connection = await fixture.open();
      connection.write(fixture.head(`${method} /api/one HTTP/1.1`));
      const response = await connection.readResponse(method);
      expect([response.status, response.body.length]).toEqual([code, 0]);
      expect(response.header('content-length')).toBe(
        'content-length' in headers ? headers['content-length'] : undefined,
      );
      fixture.upstream.respond(respondingWith({}));
      connection.write(fixture.head('GET /api/two HTTP/1.1'));
      expect((await connection.readResponse()).body.toString()).toBe('ok');
      connection.close();
    },
  );

  it('is forwarded when the upstream announces trailers that the framing cannot carry', async () => {
    const raw = await startRawUpstream(async (socket, head) => {
      const isHead = (await head).startsWith('HEAD');
      socket.end(
        `HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n${isHead ? 'Transfer-Encoding: chunked\r\n\r\n' : 'Content-Length: 2\r\n\r\nok'}`,
      );
    });
    const other = await openFixture({ routes: [{ path: '/raw', upstream: raw.url }] });
    expect((await other.send('GET /raw/one HTTP/1.1')).body.toString()).toBe('ok');
    expect((await other.send('HEAD /raw/one HTTP/1.1')).status).toBe(200);
    await other.close();
    await raw.close();
  });

  it('is forwarded without the informational responses that precede it', async () => {
    fixture.upstream.respond((request, response, record) => {
      for (let hint = 0; hint < 50; hint += 1) response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeProcessing();
      return earlyHints('</a.css>; rel=preload')(request, response, record);
    });
    const response = await fixture.send('GET /api/one HTTP/1.1');
    expect([response.status, response.interim]).toEqual([200, []]);
  });

  it('is forwarded when the upstream responds before it reads the request', async () => {
    fixture.upstream.respond(withHeaders({ 'x-why': '1' }, status(409, {}, 'no')));
    const response = await fixture.send('DELETE /api/one HTTP/1.1');
    expect([response.status, response.header('x-why'), response.body.toString()]).toEqual([409, '1', 'no']);
  });
});
