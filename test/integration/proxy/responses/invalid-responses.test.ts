import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ACCEPT, UPGRADE, SWITCHING } from '../websockets/handshake.ts';
import { type Fixture, codeOf, openFixture } from '../fixture.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    rawRoutes: [
      { path: '/raw' },
      { path: '/single', connections: { max: 1 }, timeout: { headers: '2s' }, websocket: true },
      { path: '/kept', connections: { max: 1 } },
      { path: '/bodiless', connections: { reuse: 'bodiless' } },
      { path: '/socket-raw', websocket: true },
    ],
  });
});
beforeEach(() => {
  fixture.reset();
  fixture.raw.received.length = 0;
});
afterAll(() => fixture.close());

/** Makes the raw upstream respond to every request, on kept connections too, with these bytes. Each is one piece here. */
function respondWith(text: string): void {
  responseText = text;
  fixture.raw.attend = (socket) =>
    void socket.on('data', () => socket.write(Buffer.from(responseText, 'latin1')));
}
let responseText = '';

describe('a response of an upstream', () => {
  it.each([
    [
      'a repeated Content-Type',
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok',
    ],
    [
      'a repeated Content-Type of an event stream',
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok',
    ],
    [
      'a repeated Retry-After',
      'HTTP/1.1 200 OK\r\nRetry-After: 1\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\nok',
    ],
    ['a repeated ETag', 'HTTP/1.1 200 OK\r\nETag: "a"\r\nETag: "b"\r\nContent-Length: 2\r\n\r\nok'],
  ])(
    'with %s reaches the browser completely, with only the first value (standards: F1)',
    async (_what, text) => {
      respondWith(text);
      const response = await fixture.send('GET /raw/one HTTP/1.1');
      expect([response.status, response.body.toString()]).toEqual([200, 'ok']);
      const names = response.headers.map(([name]) => name.toLowerCase());
      for (const name of ['content-type', 'retry-after', 'etag'])
        expect(names.filter((each) => each === name).length).toBeLessThan(2);
    },
  );

  // Without a byte of the response, a browser sends the request again on another connection, a POST too.
  it('whose body is invalid from its first byte is cut off after its head', async () => {
    respondWith('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n');
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Content-Length: 0'));
    await connection.ended;
    expect(connection.pending().toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(connection.pending().toString()).not.toContain('0\r\n\r\n');
    connection.close();
  });

  it.each([
    ['a 204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok'],
    [
      'another transfer coding besides chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    ],
    ['two Locations', 'HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n'],
    ['HTTP/2.0 as its version', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    [
      'HTTP/2.0 as its version after a 103',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ],
    ['HTTP/0.9 as its version', 'HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['a status of 099', 'HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok'],
    [
      'a field value that no response can have',
      'HTTP/1.1 200 OK\r\nX-Odd: a\x7fb\x01\r\nContent-Length: 2\r\n\r\nok',
    ],
  ])(
    'with %s becomes 502 upstream_invalid_response at once and its connection closes',
    async (_what, text) => {
      respondWith(text);
      const response = await fixture.send('GET /raw/one HTTP/1.1');
      expect([response.status, codeOf(response)]).toEqual([502, 'upstream_invalid_response']);
    },
  );
});

it.each([
  ['HTTP/2.0 as its version', 'GET /kept/two HTTP/1.1', [], '', 'HTTP/2.0 200 OK'],
  ['HTTP/2.0 after empty lines', 'GET /kept/two HTTP/1.1', [], '', `${'\r\n'.repeat(20)}HTTP/2.0 200 OK`],
  [
    'HTTP/2.0 after two responses with 103',
    'GET /kept/two HTTP/1.1',
    [],
    '',
    `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(2)}HTTP/2.0 200 OK`,
  ],
  [
    'HTTP/2.0 to a chunked request',
    'POST /kept/two HTTP/1.1',
    ['Transfer-Encoding: chunked'],
    '2\r\nhi\r\n0\r\n\r\n',
    'HTTP/2.0 200 OK',
  ],
])(
  'a later response of a connection with %s becomes 502 upstream_invalid_response',
  async (_what, requestLine, fields, body, statusLine) => {
    const connections: Socket[] = [];
    fixture.raw.attend = (socket) => {
      connections.push(socket);
      let received = '';
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        const isWhole = /^GET [^]*\r\n\r\n$|\r\n0\r\n\r\n$|hi$/.test(received);
        if (!isWhole) return;
        const isSecond = received.includes('/two ');
        received = '';
        socket.write(`${isSecond ? statusLine : 'HTTP/1.1 200 OK'}\r\nContent-Length: 2\r\n\r\nok`);
      });
    };
    expect((await fixture.send('GET /kept/one HTTP/1.1')).status).toBe(200);
    const response = await fixture.send(requestLine, [...fields], body);
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_invalid_response']);
    expect(connections).toHaveLength(1);
  },
);

it('a response body that begins with a status line passes, on a kept connection too', async () => {
  fixture.raw.attend = (socket) =>
    void socket.on('data', (chunk: Buffer) => {
      const end = chunk.includes('/two ') ? 'Connection: close\r\n\r\n' : '\r\n';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 12\r\n${end}`);
      setImmediate(() => socket.write('HTTP/2.0 200'));
    });
  for (const path of ['/kept/one', '/kept/two']) {
    const response = await fixture.send(`GET ${path} HTTP/1.1`);
    expect([response.status, response.body.toString()]).toEqual([200, 'HTTP/2.0 200']);
  }
});

it.each([
  ['HTTP/1.1 200 OK', 200, 'HTTP/2.0 200'],
  ['HTTP/2.0 200 OK', 502, 'upstream_invalid_response'],
])('the response after a 103 that comes byte by byte with %s becomes %i', async (statusLine, code, text) => {
  fixture.raw.attend = async (socket, head) => {
    await head;
    socket.setNoDelay(true);
    const response = `${statusLine}\r\nContent-Length: 12\r\nConnection: close\r\n\r\nHTTP/2.0 200`;
    for (const byte of `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${response}`) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    socket.end();
  };
  const response = await fixture.send('GET /raw/one HTTP/1.1');
  expect(response.status).toBe(code);
  expect(response.body.toString()).toContain(text);
});

describe('informational responses (standards: F21)', () => {
  const hint = 'HTTP/1.1 103 Early Hints\r\n\r\n';

  it.each([
    [100, 200],
    [101, 502],
  ])('%i of them and a valid response become %i', async (count, status) => {
    respondWith(`${hint.repeat(count)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
    expect((await fixture.send('GET /raw/one HTTP/1.1')).status).toBe(status);
  });

  it('without an end become 502 upstream_invalid_response, and their connection closes', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    fixture.raw.attend = async (socket, head) => {
      socket.once('close', resolve);
      await head;
      const send = () => {
        if (!socket.destroyed) socket.write(hint.repeat(100), () => setImmediate(send));
      };
      send();
    };
    const response = await fixture.send('GET /raw/one HTTP/1.1');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_invalid_response']);
    await closed;
  });

  it('do not prolong timeout.headers: a call that gets nothing else becomes 504 upstream_timeout', async () => {
    const timers: NodeJS.Timeout[] = [];
    fixture.raw.attend = async (socket, head) => {
      await head;
      timers.push(setInterval(() => socket.write(hint), 50));
    };
    try {
      const response = await fixture.send('GET /single/one HTTP/1.1');
      expect([response.status, codeOf(response)]).toEqual([504, 'upstream_timeout']);
    } finally {
      for (const timer of timers) clearInterval(timer);
    }
  });
});

it('a 204 with a length of 0 reaches the browser without a length', async () => {
  fixture.raw.attend = async (socket, head) => {
    await head;
    socket.end('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  };
  const response = await fixture.send('GET /raw/one HTTP/1.1');
  expect(response.status).toBe(204);
  expect(response.headers.map(([name]) => name.toLowerCase())).not.toContain('content-length');
});

describe('connections.max', () => {
  it('counts a chunked request that announces trailers like any other', async () => {
    const sockets: Socket[] = [];
    fixture.raw.attend = (socket) => void sockets.push(socket);
    const first = fixture.send(
      'POST /single/one HTTP/1.1',
      ['Transfer-Encoding: chunked', 'Trailer: X-Sum'],
      '0\r\nX-Sum: 0\r\n\r\n',
    );
    await expect.poll(() => sockets.length, PATIENCE).toBe(1);
    // With its head the first request is in time, and keeps its slot until its body is whole.
    sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
    const second = await fixture.send(
      'POST /single/two HTTP/1.1',
      ['Transfer-Encoding: chunked', 'Trailer: X-Sum'],
      '0\r\nX-Sum: 0\r\n\r\n',
    );
    expect([second.status, codeOf(second)]).toEqual([504, 'upstream_timeout']);
    expect(sockets).toHaveLength(1);
    sockets[0]?.write('ok');
    expect((await first).status).toBe(200);
  });

  it('counts an open WebSocket together with requests, and frees its slot when it closes', async () => {
    fixture.raw.attend = async (socket, head) => {
      const key = /sec-websocket-key: *(\S+)/i.exec(await head);
      socket.write(
        key ? `${SWITCHING}\r\n` : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
      );
    };
    const connection = await fixture.open();
    connection.write(
      fixture.head('GET /single/socket HTTP/1.1', `Origin: ${fixture.gateway.url}`, ...UPGRADE),
    );
    expect((await connection.readResponse()).status).toBe(101);
    const refused = await fixture.send('GET /single/one HTTP/1.1');
    expect([refused.status, codeOf(refused)]).toEqual([504, 'upstream_timeout']);
    connection.close();
    await expect
      .poll(async () => (await fixture.send('GET /single/one HTTP/1.1')).status, PATIENCE)
      .toBe(200);
  });
});

describe('a connection to an upstream', () => {
  it('is not reused when the response arrived before the request was completely sent', async () => {
    fixture.raw.attend = async (socket, head) => {
      const early = (await head).startsWith('POST');
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${early ? 'early' : 'later'}`);
    };
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/one HTTP/1.1', 'Content-Length: 400000') + 'x'.repeat(1000));
    const first = await connection.readResponse();
    expect([first.status, first.body.toString()]).toEqual([200, 'early']);
    const second = await fixture.send('GET /raw/two HTTP/1.1');
    expect([second.status, second.body.toString()]).toEqual([200, 'later']);
    expect(fixture.raw.received).toHaveLength(2);
    connection.close();
  });
});

describe('connections.reuse: bodiless', () => {
  it('reuses no connection after a request with a body, and reuses all others', async () => {
    fixture.raw.attend = (socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    };
    for (let at = 0; at < 3; at += 1)
      expect((await fixture.send('GET /bodiless/one HTTP/1.1')).status).toBe(200);
    expect(fixture.raw.received).toHaveLength(1);
    for (let at = 0; at < 3; at += 1)
      expect((await fixture.send('POST /bodiless/one HTTP/1.1', ['Content-Length: 2'], 'hi')).status).toBe(
        200,
      );
    expect(fixture.raw.received.length).toBeGreaterThanOrEqual(3);
    for (const bytes of fixture.raw.received.slice(1))
      expect(bytes.toString().match(/POST/g)?.length).toBe(1);
  });
});

describe('pipelined requests on one connection', () => {
  it('are cut off beyond 32 outstanding responses, and use bounded memory', async () => {
    fixture.raw.attend = () => undefined;
    const connection = await fixture.open();
    connection.write(fixture.head('GET /raw/one HTTP/1.1').repeat(2_000));
    await connection.ended;
    expect(fixture.raw.received.length).toBeLessThanOrEqual(32);
  });

  it('open no WebSocket behind a waiting request, whose response would be written into the socket', async () => {
    fixture.raw.attend = () => undefined;
    const connection = await fixture.open();
    connection.write(fixture.head('GET /raw/slow HTTP/1.1'));
    await expect
      .poll(() => fixture.raw.received.filter((bytes) => bytes.includes('/raw/slow')).length, PATIENCE)
      .toBe(1);
    connection.write(upgradeHead('/socket-raw/one'));
    await connection.ended;
    expect(connection.pending().toString()).not.toContain('HTTP/1.1 101');
    expect(fixture.raw.received.filter((bytes) => bytes.includes('/socket-raw/'))).toEqual([]);
  });
});

const upgradeHead = (path: string) =>
  fixture.head(`GET ${path} HTTP/1.1`, `Origin: ${fixture.gateway.url}`, ...UPGRADE);

describe('an upgrade', () => {
  it.each(['099', '100'])(
    'to which an upstream responds with %s becomes 502, and the upstream socket closes',
    async (status) => {
      let upstream: Socket | undefined;
      fixture.raw.attend = async (socket, head) => {
        upstream = socket;
        await head;
        socket.write(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`);
        if (status === '100') socket.end();
      };
      const connection = await fixture.open();
      connection.write(upgradeHead('/socket-raw/one'));
      expect((await connection.readResponse()).status).toBe(502);
      await connection.ended;
      await expect.poll(() => upstream?.readableEnded || upstream?.destroyed, PATIENCE).toBe(true);
    },
  );

  it('is cancelled at the upstream at once when its client disconnects while it waits', async () => {
    let upstream: Socket | undefined;
    let closed = false;
    fixture.raw.attend = (socket) => {
      upstream = socket;
      socket.on('end', () => (closed = true)).on('close', () => (closed = true));
    };
    const connection = await fixture.open();
    connection.write(upgradeHead('/socket-raw/one'));
    await expect.poll(() => upstream !== undefined, PATIENCE).toBe(true);
    connection.end();
    await expect.poll(() => closed, PATIENCE).toBe(true);
  });

  it.each([
    ['Sec-WebSocket-Accept', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'],
    ['Connection', `Upgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`],
    ['Upgrade', `Connection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`],
    ['any field of the handshake', ''],
  ])('becomes 502 when its 101 lacks %s, and the upstream socket closes', async (_what, fields) => {
    let upstream: Socket | undefined;
    fixture.raw.attend = async (socket, head) => {
      upstream = socket;
      await head;
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
    };
    const connection = await fixture.open();
    connection.write(upgradeHead('/socket-raw/one'));
    expect((await connection.readResponse()).status).toBe(502);
    await expect.poll(() => upstream?.readableEnded || upstream?.destroyed, PATIENCE).toBe(true);
  });

  it('closes its connection when an earlier request on it has no response yet, and neither response is written', async () => {
    const upstreamHeads: string[] = [];
    fixture.raw.attend = async (socket, head) => {
      upstreamHeads.push(await head);
      socket.write(`${SWITCHING}\r\n`);
    };
    const connection = await fixture.open();
    const seen: Buffer[] = [];
    connection.socket.on('data', (chunk: Buffer) => seen.push(chunk));
    connection.write(fixture.head('GET /socket-raw/slow HTTP/1.1') + upgradeHead('/socket-raw/one'));
    await connection.ended;
    expect(Buffer.concat(seen).toString('latin1')).not.toContain('HTTP/1.1 101');
    expect(upstreamHeads.filter((head) => /^upgrade:/im.test(head))).toEqual([]);
  });
});
