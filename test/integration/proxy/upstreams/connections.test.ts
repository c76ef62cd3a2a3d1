import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { createRoutes } from '../../../../src/proxy/routes.ts';
import { createUpstreams } from '../../../../src/proxy/upstream/pools.ts';
import { listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { inSequence, status } from '../../../../testkit/upstream/behaviours.ts';
import { controlledStream, slowBody } from '../../../../testkit/upstream/streams.ts';
import { minimal } from '../../../unit/config/sample.ts';
import { selfSigned } from '../../../../testkit/network/self-signed.ts';
import { type Fixture, respondingWith, codeOf, openFixture } from '../fixture.ts';
import { ask } from './ask.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/single', connections: { max: 1 }, timeout: { headers: '2s' } },
      { path: '/hasty', timeout: { headers: '300ms', idle: '300ms' }, maxBody: '0', replayBody: '0' },
      // For what must not end: a busy machine may stall for longer than the timeouts above.
      { path: '/patient', timeout: { idle: '1s' } },
      { path: '/endless', timeout: { idle: '0s' } },
    ],
    rawRoutes: [
      { path: '/raw' },
      { path: '/few', connections: { max: 2 } },
      { path: '/brief', connections: { idle: '50ms' } },
      { path: '/hasty-raw', timeout: { headers: '300ms', idle: '300ms' }, maxBody: '0' },
    ],
  });
});

beforeEach(() => {
  fixture.reset();
  fixture.raw.received.length = 0;
});

afterAll(() => fixture.close());

/** Responds to every request on a connection. */
const respondToAll = (socket: Socket) => {
  socket.on('data', () => socket.write(OK));
};

/** Occupies the only connection of `/single` with a stream. */
async function takeTheOnly() {
  const stream = controlledStream();
  fixture.upstream.respond(stream.behaviour);
  const first = await fixture.open();
  first.write(fixture.head('GET /single/events HTTP/1.1'));
  await stream.opened;
  fixture.received();
  fixture.upstream.respond(respondingWith({}));
  return { first, stream };
}

describe('the connections to an upstream', () => {
  it('are limited to the configured number and further requests wait for one', async () => {
    fixture.raw.attend = respondToAll;
    const responses = await Promise.all(
      Array.from({ length: 10 }, (_, at) => fixture.send(`GET /few/${at} HTTP/1.1`)),
    );
    expect(responses.map(({ body }) => body.toString())).toEqual(responses.map(() => 'ok'));
    expect(fixture.raw.received).toHaveLength(2);
  });

  it('that are all in use delay a request until the response timeout, which gives 504 and sends nothing (standards: F22)', async () => {
    const { first, stream } = await takeTheOnly();
    const body = Buffer.alloc(100_000, 'x');
    const responses = await Promise.all([
      fixture.send('GET /single/one HTTP/1.1'),
      fixture.send('POST /single/two HTTP/1.1', [`Content-Length: ${body.length}`], body),
    ]);
    for (const response of responses)
      expect([response.status, codeOf(response)]).toEqual([504, 'upstream_timeout']);
    expect(fixture.upstream.requests).toEqual([]);

    const waiting = fixture.send('GET /single/three HTTP/1.1');
    await stream.end();
    await first.readUntil('0\r\n\r\n');
    first.close();
    expect((await waiting).status).toBe(200);
    expect(fixture.received().target).toBe('/single/three');
  });

  it('need only one for a call and its replay with another token', async () => {
    const refused = status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }, 'no');
    fixture.upstream.respond(inSequence(refused, respondingWith({})));
    expect((await fixture.send('GET /single/one HTTP/1.1')).status).toBe(200);
  });

  it('are not assigned to requests whose client has disconnected', async () => {
    const { first } = await takeTheOnly();
    const gone = await fixture.open();
    gone.write(fixture.head('GET /single/gone HTTP/1.1'));
    await sleep(50);
    gone.close();
    await expect.poll(() => fixture.gateway.logs()).toContain('"path":"/single/gone"');
    first.close();
    for (const path of ['/single/one', '/single/two'])
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(200);
    expect(fixture.upstream.requests.map(({ target }) => target)).toEqual(['/single/one', '/single/two']);
  });

  it('are closed after the configured idle time', async () => {
    const closed = Promise.withResolvers<void>();
    fixture.raw.attend = (socket) => {
      socket.once('end', () => closed.resolve());
      respondToAll(socket);
    };
    await fixture.send('GET /brief/one HTTP/1.1');
    await closed.promise;
    await fixture.send('GET /brief/two HTTP/1.1');
    expect(fixture.raw.received).toHaveLength(2);
  });

  it('are replaced after the configured age and then follow a DNS change', async () => {
    const respondAs = (name: string) =>
      createServer((_request, response) => response.end(name)).on('error', (error) => {
        throw error;
      });
    const first = respondAs('first');
    const second = respondAs('second');
    await once(first.listen(0, '127.0.0.1'), 'listening');
    const address = first.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    await once(second.listen(address.port, '127.0.0.2'), 'listening');

    let home = '127.0.0.1';
    const upstream = `http://api.test:${address.port}`;
    const { routes } = parseConfig({
      ...minimal,
      allowInsecureHttp: true,
      routes: [{ path: '/api', upstream, connections: { maxAge: '200ms' } }],
    });
    const [route] = createRoutes(routes).all;
    if (route === undefined) throw new Error('there is no route');
    const upstreams = createUpstreams((_name, _options, found) =>
      found(null, [{ address: home, family: 4 }]),
    );
    const askApi = () => ask(upstreams.of(route, route.servers[0]));
    expect(await askApi()).toBe('first');
    home = '127.0.0.2';
    await expect.poll(askApi, { timeout: 20_000 }).toBe('second');
    upstreams.close();
    first.close();
    second.close();
  });

  it('are reused for further requests', async () => {
    fixture.raw.attend = respondToAll;
    for (let call = 0; call < 5; call += 1) {
      expect((await fixture.send('GET /raw/one HTTP/1.1')).body.toString()).toBe('ok');
    }
    expect(fixture.raw.received).toHaveLength(1);
  });

  it('can be closed by the upstream while idle without a failed request', async () => {
    await fixture.raw.stop();
    await fixture.raw.start();
    const closings: Promise<unknown>[] = [];
    fixture.raw.attend = async (socket, head) => {
      await head;
      closings.push(once(socket, 'close'));
      socket.write(OK);
      await sleep(20);
      socket.end();
    };
    for (const method of ['GET', 'POST', 'GET', 'POST']) {
      const response = await fixture.send(`${method} /raw/one HTTP/1.1`, ['Content-Length: 0']);
      expect([response.status, response.body.toString()]).toEqual([200, 'ok']);
      // Until the gateway has closed it, too.
      await closings.at(-1);
    }
  });

  it('can be closed while the next request is sent, which is then sent again if repeatable', async () => {
    await fixture.raw.stop();
    await fixture.raw.start();
    let connections = 0;
    fixture.raw.attend = (socket) => {
      connections += 1;
      let requests = 0;
      // The first connection responds once, and then ends by a reset at the next request.
      socket.on('data', () => {
        requests += 1;
        if (connections === 1 && requests === 2) socket.resetAndDestroy();
        else socket.write(OK);
      });
    };
    expect((await fixture.send('GET /raw/one HTTP/1.1')).status).toBe(200);
    expect((await fixture.send('PUT /raw/one HTTP/1.1', ['Content-Length: 4'], 'body')).body.toString()).toBe(
      'ok',
    );
    expect(connections).toBe(2);
    expect(fixture.raw.received[1]?.toString()).toMatch(/^PUT \/raw\/one HTTP\/1.1\r\n[\s\S]*\r\n\r\nbody$/);
  });

  it('never carry a non-repeatable request twice', async () => {
    await fixture.raw.stop();
    await fixture.raw.start();
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.resetAndDestroy();
    };
    const response = await fixture.send('POST /raw/one HTTP/1.1', ['Content-Length: 4'], 'body');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    expect(fixture.raw.received).toHaveLength(1);
  });
});

describe('an upstream that violates HTTP', () => {
  const manyFields = Array.from({ length: 2000 }, (_, at) => `X-Field-${at}: ${'v'.repeat(40)}`).join('\r\n');

  it.each([
    ['something other than HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
    ['an HTTP/0.9 response', '<html>hello</html>\r\n\r\n'],
    ['no status code', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status code of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status code below 100', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['the status code 000', 'HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n'],
    ['a NUL in a field', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n'],
    [
      'a bare CR in a field',
      'HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: coatcheck=evil\r\nContent-Length: 0\r\n\r\n',
    ],
    ['two Content-Length fields', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['an invalid Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok'],
    ['a negative Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok'],
    [
      'Content-Length and chunked',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a header section that is too large', `HTTP/1.1 200 OK\r\n${manyFields}\r\n\r\n`],
    [
      'an unrequested upgrade',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n',
    ],
  ])('causes a 502 when it sends %s and the next request succeeds (standards: F21)', async (_what, bytes) => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write(Buffer.from(bytes, 'latin1'));
      await sleep(5);
      socket.end();
    };
    const response = await fixture.send('GET /raw/one HTTP/1.1');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_invalid_response']);
    expect(fixture.raw.received).toHaveLength(1);
    const fields = ['Transfer-Encoding: chunked', 'Trailer: X-Sum'];
    const other = await fixture.send('POST /raw/one HTTP/1.1', fields, '0\r\nX-Sum: 1\r\n\r\n');
    expect([other.status, codeOf(other)]).toEqual([502, 'upstream_invalid_response']);
    expect(fixture.raw.received).toHaveLength(2);
    await cleanAfter();
  });

  it.each([
    ['an invalid chunk size', 'xyz\r\nok\r\n0\r\n\r\n'],
    ['chunks without CR LF', '2\r\nokHTTP/1.1 200 OK\r\n'],
    ['a negative chunk size', '-2\r\nok\r\n0\r\n\r\n'],
    ['a chunk size that is too large', 'ffffffffffffffffff\r\nok\r\n'],
  ])(
    'causes a truncated response when its body has %s and the next request succeeds',
    async (_what, body) => {
      fixture.raw.attend = async (socket, head) => {
        await head;
        socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${body}`);
      };
      const connection = await fixture.open();
      connection.write(fixture.head('GET /raw/one HTTP/1.1'));
      await expect(connection.readResponse()).rejects.toThrow('the connection ended before a whole response');
      connection.close();
      await cleanAfter();
    },
  );

  it('never causes excess bytes to appear in the response to another request (standards: F21)', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
    };
    expect((await fixture.send('GET /raw/one HTTP/1.1')).body.toString()).toBe('ok');
    await cleanAfter();
  });

  async function cleanAfter(): Promise<void> {
    fixture.raw.attend = respondToAll;
    for (let call = 0; call < 2; call += 1) {
      const victim = await fixture.send('GET /raw/two HTTP/1.1');
      expect([victim.status, victim.body.toString()]).toEqual([200, 'ok']);
    }
    await fixture.raw.stop();
    await fixture.raw.start();
  }
});

describe('an upstream that is down', () => {
  it('causes a 502 that does not reveal its address and serves requests again after recovery', async () => {
    await fixture.upstream.stop();
    const response = await fixture.send('GET /api/one HTTP/1.1');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    expect(response.body.toString()).not.toContain(`${fixture.upstream.port}`);
    expect(response.header('content-type')).toBe('application/problem+json');
    await fixture.upstream.start();
    expect((await fixture.send('GET /api/one HTTP/1.1')).status).toBe(200);
  });

  it('causes a 502 when its certificate is untrusted and receives no byte of the request (standards: F30)', async () => {
    const seen: Buffer[] = [];
    const server = createTlsServer(
      selfSigned,
      (socket) => void socket.on('data', (chunk) => seen.push(chunk)),
    );
    server.on('tlsClientError', () => undefined);
    const listener = await listenOnLoopback(server);
    const other = await openFixture({
      routes: [{ path: '/tls', upstream: `https://127.0.0.1:${listener.port}` }],
    });
    for (const fields of [['Content-Length: 4'], ['Transfer-Encoding: chunked', 'Trailer: X-Sum']]) {
      const body = fields.length === 1 ? 'body' : '4\r\nbody\r\n0\r\n\r\n';
      const response = await other.send('POST /tls/one HTTP/1.1', fields, body);
      expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    }
    expect(seen).toEqual([]);
    await other.close();
    await listener.stop();
  });
});

describe('the timeouts of a route', () => {
  it('cause a 504 when no response begins in time', async () => {
    fixture.upstream.respond(() => undefined);
    for (const [fields, body] of [
      [[], ''],
      [['Content-Length: 4'], 'body'],
      [['Transfer-Encoding: chunked', 'Trailer: X-Sum'], '4\r\nbody\r\n0\r\nX-Sum: 4\r\n\r\n'],
    ] as const) {
      const response = await fixture.send('POST /hasty/one HTTP/1.1', fields, body);
      expect([response.status, codeOf(response)]).toEqual([504, 'upstream_timeout']);
      await fixture.received().over;
    }
  });

  it('do not end a slow upload while bytes arrive', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /patient/one HTTP/1.1', 'Content-Length: 1000'));
    for (let sent = 0; sent < 10; sent += 1) {
      await sleep(150);
      connection.write('x'.repeat(100));
    }
    expect((await connection.readResponse('POST')).status).toBe(200);
    expect(fixture.received().bodyBytes).toBe(1_000);
    connection.close();
  });

  it('end a stalled upload, small or large, and cancel the upstream call', async () => {
    for (const path of ['/hasty/one', '/hasty-raw/one']) {
      const connection = await fixture.open();
      connection.write(fixture.head(`POST ${path} HTTP/1.1`, 'Content-Length: 10') + 'xx');
      await connection.ended;
      expect(connection.pending().toString()).toBe('');
    }
    const request = fixture.received();
    await request.over;
    expect(request.aborted).toBe(true);
    expect(fixture.raw.received).toEqual([]);
  });

  it('end an upload that is too slow and cancel the upstream call (standards: F22)', async () => {
    const before = fixture.upstream.requests.length;
    const connection = await fixture.open();
    connection.write(fixture.head('POST /hasty/drip HTTP/1.1', 'Content-Length: 1000000'));
    // Never idle for the idle timeout, and far below the minimum rate.
    const drip = setInterval(() => connection.write('x'), 50);
    await connection.ended;
    clearInterval(drip);
    expect(connection.pending().toString()).toBe('');
    await expect
      .poll(() => fixture.upstream.requests.slice(before).map(({ aborted }) => aborted))
      .toEqual([true]);
  });

  it('cause a 504 when the upstream stops reading the upload', async () => {
    fixture.raw.attend = (socket) => void socket.pause();
    const connection = await fixture.open();
    connection.write(fixture.head('POST /hasty-raw/one HTTP/1.1', `Content-Length: ${160 * 1024 * 1024}`));
    const block = Buffer.alloc(1024 * 1024, 'x');
    let stopped = false;
    void (async () => {
      for (let sent = 0; sent < 160 && !stopped; sent += 1) {
        if (!connection.socket.write(block)) await once(connection.socket, 'drain');
      }
    })().catch(() => undefined);
    const response = await connection.readResponse('POST');
    stopped = true;
    expect([response.status, codeOf(response)]).toEqual([504, 'upstream_timeout']);
    connection.close();
  });

  it('end a stalled response', async () => {
    fixture.upstream.respond((_request, response) => void response.write('begun'));
    const connection = await fixture.open();
    connection.write(fixture.head('GET /hasty/one HTTP/1.1'));
    await expect(connection.readResponse()).rejects.toThrow('the connection ended before a whole response');
    await fixture.received().over;
    connection.close();
  });

  it('end the connection of a client that stops reading and cancel the upstream call', async () => {
    fixture.upstream.respond(async (_request, response) => {
      const block = Buffer.alloc(1024 * 1024, 'x');
      while (!response.destroyed)
        if (!response.write(block)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    });
    const connection = await fixture.open();
    connection.socket.pause();
    connection.write(fixture.head('GET /hasty/one HTTP/1.1'));
    await expect.poll(() => fixture.upstream.requests.length).toBe(1);
    const request = fixture.received();
    await request.over;
    expect(request.aborted).toBe(true);
    connection.close();
  });

  it('do not end a slow response while bytes arrive, or any response with `idle: 0s`', async () => {
    fixture.upstream.respond(slowBody(['a', 'b', 'c', 'd', 'e', 'f'], 300));
    expect((await fixture.send('GET /patient/one HTTP/1.1')).body.toString()).toBe('abcdef');
    fixture.upstream.respond(slowBody(['a', 'b'], 600));
    expect((await fixture.send('GET /endless/one HTTP/1.1')).body.toString()).toBe('ab');
  });

  it('do not end the keep-alive connection of a client after a completed request', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /patient/one HTTP/1.1', 'Content-Length: 4') + 'body');
    expect((await connection.readResponse('POST')).status).toBe(200);
    await sleep(1_500);
    fixture.upstream.respond(respondingWith({}));
    connection.write(fixture.head('GET /api/two HTTP/1.1'));
    expect((await connection.readResponse()).body.toString()).toBe('ok');
    connection.close();
  });
});
