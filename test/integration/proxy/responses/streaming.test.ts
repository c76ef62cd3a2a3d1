import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../../testkit/network/free-port.ts';
import { controlledStream, cutMidBody, largeBody } from '../../../../testkit/upstream/streams.ts';
import { type Fixture, respondingWith, codeOf, openFixture } from '../fixture.ts';
import { standsStill } from '../standstill.ts';

const MEGABYTE = 1024 * 1024;
/** More than the socket buffers between the two ends may hold together: Linux lets one grow to 32 MB. */
const TOO_MUCH_TO_BUFFER = 96 * MEGABYTE;
const BODY = 160 * MEGABYTE;

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/large', maxBody: '0', replayBody: '0' },
      { path: '/dead', upstream: `http://127.0.0.1:${await freePort()}` },
    ],
    rawRoutes: [{ path: '/raw', maxBody: '0' }],
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

describe('backpressure', () => {
  it('pauses the upstream while the browser does not read and resumes afterwards (standards: F22)', async () => {
    const large = largeBody(BODY);
    fixture.upstream.respond(large.behaviour);
    const connection = await fixture.open();
    connection.socket.pause();
    connection.write(fixture.head('GET /large/one HTTP/1.1'));
    await standsStill(large.writtenBytes);
    expect(large.writtenBytes()).toBeLessThan(TOO_MUCH_TO_BUFFER);
    connection.socket.removeAllListeners('data').on('data', () => undefined);
    connection.socket.resume();
    await expect.poll(() => connection.socket.bytesRead, { timeout: 20_000 }).toBeGreaterThan(BODY);
    connection.close();
  });

  it('pauses the browser while the upstream does not read and resumes afterwards (standards: F22)', async () => {
    const gate = Promise.withResolvers<void>();
    fixture.upstream.respond(async (_request, response, record) => {
      await gate.promise;
      await record.readBody();
      response.end('ok');
    });
    const connection = await fixture.open();
    connection.write(fixture.head('POST /large/one HTTP/1.1', `Content-Length: ${BODY}`));
    const sending = send(connection.socket, BODY);
    await standsStill(() => sentBytes(connection.socket));
    expect(sentBytes(connection.socket)).toBeLessThan(TOO_MUCH_TO_BUFFER);
    gate.resolve();
    await sending;
    expect((await connection.readResponse('POST')).status).toBe(200);
    expect(fixture.received().bodyBytes).toBe(BODY);
    connection.close();
  });
});

describe('a streamed response', () => {
  it('forwards its header fields and each event as soon as the upstream sends them', async () => {
    const stream = controlledStream();
    fixture.upstream.respond(stream.behaviour);
    const connection = await fixture.open();
    connection.write(fixture.head('GET /api/events HTTP/1.1'));
    await stream.opened;
    expect((await connection.readUntil('\r\n\r\n')).toString()).toContain('text/event-stream');
    for (const event of ['data: one\n\n', 'data: two\n\n']) {
      await stream.write(event);
      await connection.readUntil(event);
    }
    await stream.end();
    await connection.readUntil('0\r\n\r\n');
    connection.close();
  });

  it('flows in both directions at once', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.on('data', (chunk) => socket.write(`${chunk.length.toString(16)}\r\n${chunk.toString()}\r\n`));
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Transfer-Encoding: chunked') + '3\r\none\r\n');
    await connection.readUntil('one');
    connection.write('3\r\ntwo\r\n');
    await connection.readUntil('two');
    connection.close();
  });
});

describe('a browser that disconnects', () => {
  it.each([
    ['of known length', ['Content-Length: 1000'], ''],
    ['with chunks', ['Transfer-Encoding: chunked'], '400\r\n'],
    ['with trailers', ['Transfer-Encoding: chunked', 'Trailer: X-Sum'], '400\r\n'],
  ])('cancels the upstream call during the upload of a body %s', async (_what, fields, prefix) => {
    for (const how of ['reset', 'end'] as const) {
      const connection = await fixture.open();
      connection.write(fixture.head('POST /large/one HTTP/1.1', ...fields) + prefix + 'x'.repeat(100));
      await expect.poll(() => fixture.upstream.requests[0]?.bodyBytes).toBe(100);
      connection[how]();
      const request = fixture.received();
      await request.over;
      expect(request).toMatchObject({ aborted: true, bodySha256: undefined });
      connection.close();
    }
  });

  it('cancels the upstream call before and during the response', async () => {
    for (const begun of [false, true]) {
      const { promise: came, resolve } = Promise.withResolvers<void>();
      fixture.upstream.respond((_request, response) => {
        if (begun) response.writeHead(200).write('begun');
        resolve();
      });
      const connection = await fixture.open();
      connection.write(fixture.head('GET /api/one HTTP/1.1'));
      await came;
      if (begun) await connection.readUntil('begun');
      connection.close();
      const request = fixture.received();
      await request.over;
      expect(request.aborted).toBe(true);
    }
  });

  it('causes no upstream call when it disconnects before a small body is complete', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /api/one HTTP/1.1', 'Content-Length: 1000') + 'x'.repeat(100));
    await sleep(20);
    connection.reset();
    await expect.poll(() => fixture.gateway.logs()).toContain('"path":"/api/one"');
    expect(fixture.upstream.requests).toEqual([]);
    expect(fixture.gateway.logs()).not.toContain('unexpected error');
  });
});

describe('an upstream that closes the connection early', () => {
  it.each(['content-length', 'chunked'] as const)(
    'causes a truncated response and never one that looks complete (%s) (standards: F21)',
    async (framing) => {
      fixture.upstream.respond(cutMidBody(framing));
      const connection = await fixture.open();
      connection.write(fixture.head('GET /api/one HTTP/1.1'));
      await expect(connection.readResponse()).rejects.toThrow('the connection ended before a whole response');
      connection.close();
    },
  );

  it('causes a truncated response even before the first byte of the body', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', () => socket.resetAndDestroy());
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Content-Length: 0'));
    await expect(connection.readResponse('POST')).rejects.toThrow('the connection ended');
    connection.close();
  });

  it('causes a readable 502 during the upload', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.resetAndDestroy();
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Content-Length: 1000000') + 'x'.repeat(100_000));
    const response = await connection.readResponse('POST');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    connection.close();
  });

  it('before it reads the request body leaves no timers behind (standards: F22)', async () => {
    const uploads = 30;
    const before = await openTimers();
    for (const length of Array.from({ length: uploads }, (_, at) => 70_000 + 2_500 * at)) {
      const body = Buffer.alloc(length, 'x');
      const response = await fixture.send('POST /dead/one HTTP/1.1', [`Content-Length: ${length}`], body);
      expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    }
    await expect.poll(openTimers, { timeout: 20_000 }).toBeLessThan(before + uploads / 2);
  });
});

describe('an early response', () => {
  const upload = 8 * MEGABYTE;

  it('from the gateway reaches a browser that is still uploading and closes the connection cleanly', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /api/one HTTP/1.1', `Content-Length: ${2 * upload}`));
    connection.write(Buffer.alloc(upload, 'x'));
    const response = await connection.readResponse('POST');
    expect([response.status, codeOf(response), response.header('connection')]).toEqual([
      413,
      'body_too_large',
      'close',
    ]);
    expect(await endsWithoutReset(connection.socket, () => connection.write(Buffer.alloc(upload, 'x')))).toBe(
      true,
    );
  });

  it('to a chunked body that exceeds the limit reaches the browser', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /api/one HTTP/1.1', 'Transfer-Encoding: chunked'));
    const chunk = Buffer.concat([
      Buffer.from('100000\r\n'),
      Buffer.alloc(MEGABYTE, 'x'),
      Buffer.from('\r\n'),
    ]);
    for (let sent = 0; sent < 12; sent += 1) connection.write(chunk);
    const response = await connection.readResponse('POST');
    expect([response.status, codeOf(response)]).toEqual([413, 'body_too_large']);
    expect(await endsWithoutReset(connection.socket, () => connection.write('0\r\n\r\n'))).toBe(true);
  });

  it('from the upstream reaches a browser that is still uploading and keeps the connection open', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: 1\r\n\r\nno');
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', `Content-Length: ${2 * upload}`));
    connection.write(Buffer.alloc(upload, 'x'));
    const response = await connection.readResponse('POST');
    expect([response.status, response.header('x-why'), response.body.toString()]).toEqual([403, '1', 'no']);
    connection.write(Buffer.alloc(upload, 'x'));
    connection.write(fixture.head('GET /api/two HTTP/1.1'));
    expect((await connection.readResponse()).status).toBe(200);
    connection.close();
  });

  it('from the upstream to a body with trailers reaches the browser', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Transfer-Encoding: chunked', 'Trailer: X-Sum'));
    connection.write('4\r\nbody\r\n');
    const response = await connection.readResponse('POST');
    expect([response.status, response.body.toString()]).toEqual([403, 'no']);
    connection.write('4\r\nmore\r\n0\r\nX-Sum: 8\r\n\r\n');
    connection.write(fixture.head('GET /api/two HTTP/1.1'));
    expect((await connection.readResponse()).status).toBe(200);
    connection.close();
  });

  it('from an upstream that stopped reading lets the browser complete its upload', async () => {
    const gate = Promise.withResolvers<void>();
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.pause();
      await gate.promise;
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', `Content-Length: ${BODY}`));
    const sending = send(connection.socket, BODY);
    await standsStill(() => sentBytes(connection.socket));
    gate.resolve();
    expect((await connection.readResponse('POST')).status).toBe(403);
    await sending;
    connection.close();
  });

  it('from the gateway to a request without a body keeps the connection open', async () => {
    const connection = await fixture.open();
    connection.write(`GET /api/one HTTP/1.1\r\nHost: ${fixture.host}\r\nSec-Fetch-Site: cross-site\r\n\r\n`);
    const refused = await connection.readResponse();
    expect([refused.status, refused.header('connection')]).toEqual([403, 'keep-alive']);
    fixture.upstream.respond(respondingWith({}));
    connection.write(fixture.head('GET /api/two HTTP/1.1'));
    expect((await connection.readResponse()).body.toString()).toBe('ok');
    connection.close();
  });
});

/** How many timers are set in this process: each request whose body is awaited has one. */
async function openTimers(): Promise<number> {
  const metrics = await (await fetch(`${fixture.gateway.adminUrl}/metrics`)).text();
  return Number(/^nodejs_active_resources\{type="Timeout"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

/** Sends this many bytes, as fast as the other side reads them. */
async function send(socket: Socket, bytes: number): Promise<void> {
  const block = Buffer.alloc(MEGABYTE, 'y');
  for (let sent = 0; sent < bytes; sent += block.length) {
    if (!socket.write(block)) await once(socket, 'drain');
  }
}

/** The number of written bytes that the system has accepted. */
function sentBytes(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}

/** Runs an action, and returns whether the other side then closes the connection cleanly. */
async function endsWithoutReset(socket: Socket, action: () => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('end', () => resolve(true));
  socket.once('error', () => resolve(false));
  action();
  const isGood = await promise;
  socket.destroy();
  return isGood;
}
