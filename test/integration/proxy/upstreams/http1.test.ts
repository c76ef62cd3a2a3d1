import { once } from 'node:events';
import { createServer, type LookupFunction, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createConnect } from '../../../../src/proxy/upstream/http1/connector.ts';
import type { OutgoingRequest } from '../../../../src/proxy/upstream/http1/exchange.ts';
import { ConnectionPool } from '../../../../src/proxy/upstream/http1/pool.ts';
import { freePort } from '../../../../testkit/network/free-port.ts';
import { type RawUpstream, startRawUpstream } from '../../../../testkit/network/raw-upstream.ts';
import { sendRecorded } from '../../../../testkit/network/recorded-exchange.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const PATIENCE = { timeout: 20_000, interval: 10 };

let upstream: RawUpstream;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  upstream = await startRawUpstream();
  respondWith(OK);
});
afterEach(() => upstream.close());

/** Responds to each head, or each piece of a request, with these bytes. */
function respondWith(bytes: string, then: (socket: Socket) => void = () => undefined): void {
  upstream.attend = (socket) => {
    sockets.push(socket);
    socket.on('data', () => {
      socket.write(Buffer.from(bytes, 'latin1'));
      then(socket);
    });
  };
}

type PoolOptions = { origin?: string; idleMs?: number; connectMs?: number; lookup?: LookupFunction };

function openPool({ origin = upstream.url, idleMs = 60_000, connectMs = 20_000, lookup }: PoolOptions = {}) {
  const connect = createConnect({
    origin,
    timeout: connectMs,
    tls: {},
    lookup: lookup ?? ((_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }])),
  });
  const pool = new ConnectionPool(connect, idleMs);
  onTestFinished(() => pool.close());
  return pool;
}

/** Sends a request, and waits for its end. */
async function send(pool: ConnectionPool, changes: Partial<OutgoingRequest> = {}) {
  const sent = sendRecorded(pool, changes);
  await sent.released;
  return sent;
}

const isClosed = (socket: Socket | undefined) => socket?.readableEnded === true || socket?.destroyed === true;
const allClosed = () => expect.poll(() => sockets.every(isClosed), PATIENCE).toBe(true);

describe('a connection', () => {
  it('is used again after a complete response', async () => {
    const pool = openPool();
    for (let call = 0; call < 5; call += 1)
      expect((await send(pool, { path: `/${call}` })).events).toEqual([
        'connected',
        'head',
        'data',
        'end',
        'released',
      ]);
    expect(upstream.received).toHaveLength(1);
    expect(upstream.received[0]?.toString()).toContain('GET /4 HTTP/1.1\r\nHost: api.test\r\n');
  });

  it.each<[string, string, Partial<OutgoingRequest>?]>([
    ['bytes after the end of a response', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ['an empty line after a response', `${OK}\r\n`],
    ['a second response after chunks', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${OK}`],
    ['Connection: close', OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')],
    ['HTTP/1.0', OK.replace('1.1', '1.0').replace('\r\n\r\n', '\r\nConnection: keep-alive\r\n\r\n')],
    ['a server that keeps it for a second', OK.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=1\r\n\r\n')],
    ['a length where there is no body', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    ['a HEAD request', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', { method: 'HEAD' }],
    ['a HEAD request whose response announces nothing', 'HTTP/1.1 200 OK\r\n\r\n', { method: 'HEAD' }],
    ['a body of a GET request', OK, { body: Buffer.from('body') }],
    ['a body on a route that says so', OK, { method: 'POST', body: Buffer.from('body'), reset: true }],
  ])('is closed after %s', async (_what, bytes, changes) => {
    respondWith(bytes);
    const pool = openPool();
    expect((await send(pool, changes)).events).toContain('end');
    await allClosed();
    respondWith(OK);
    expect([(await send(pool)).body(), upstream.received.length]).toEqual(['ok', 2]);
  });

  it.each([
    ['a response that nobody asked for', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
    ['a single byte', '\n'],
  ])('is closed by %s while it is unused', async (_what, bytes) => {
    const pool = openPool();
    await send(pool);
    sockets[0]?.write(bytes);
    await allClosed();
    expect([(await send(pool)).body(), upstream.received.length]).toEqual(['ok', 2]);
  });

  it('is not used for a request that comes before what follows the last response was read', async () => {
    respondWith(OK, (socket) => socket.end());
    const pool = openPool();
    for (let call = 0; call < 20; call += 1)
      expect((await send(pool, { method: 'POST' })).events).toContain('end');
    expect(upstream.received).toHaveLength(20);
  });

  it('is closed once it was unused for long', async () => {
    const pool = openPool({ idleMs: 50 });
    await send(pool);
    await allClosed();
    await send(pool);
    expect(upstream.received).toHaveLength(2);
  });

  it('is closed two seconds before its server closes it', async () => {
    respondWith(OK.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=3, max=9\r\n\r\n'));
    await send(openPool());
    expect(sockets.some(isClosed)).toBe(false);
    await allClosed();
  });

  it('that was used last is used first', async () => {
    const pool = openPool();
    await Promise.all([send(pool), send(pool), send(pool)]);
    expect(upstream.received).toHaveLength(3);
    for (let call = 0; call < 5; call += 1) await send(pool, { path: '/later' });
    expect(upstream.received.filter((bytes) => bytes.includes('/later'))).toHaveLength(1);
  });

  it.each([
    ['paused at its last byte', 'each', OK],
    ['held, and without a body', 'hold', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ] as const)('is used again when its response is %s', async (_what, pauses, bytes) => {
    respondWith(bytes);
    const pool = openPool();
    const first = sendRecorded(pool, {}, pauses);
    await first.released;
    expect(first.events.slice(-2)).toEqual(['end', 'released']);
    first.exchange.resume();
    respondWith(OK);
    expect([(await send(pool)).events.at(-2), upstream.received.length]).toEqual(['end', 1]);
    sockets[0]?.end();
    await allClosed();
  });

  it('whose last response is read on at once closes when it is unused, not when that response would be late', async () => {
    await sendRecorded(openPool({ idleMs: 50 }), { bodyTimeout: 0 }, 'briefly').released;
    await allClosed();
  });

  it.each([
    ['a length', 'Content-Length: 2\r\n'],
    ['chunks', 'Transfer-Encoding: chunked\r\n'],
    ['the end of its connection', 'Connection: close\r\n'],
  ])('is closed after an informational response that announces %s', async (_what, field) => {
    respondWith(`HTTP/1.1 103 Hints\r\n${field}\r\n${OK}`);
    const pool = openPool();
    expect((await send(pool)).body()).toBe('ok');
    await allClosed();
    respondWith(OK);
    expect([(await send(pool)).body(), upstream.received.length]).toEqual(['ok', 2]);
  });

  it('that pauses at each piece reads on each time', async () => {
    const size = 1_000_000;
    respondWith(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`);
    const sent = sendRecorded(openPool(), {}, 'each');
    const timer = setInterval(() => sent.exchange.resume(), 1);
    await sent.released;
    clearInterval(timer);
    expect([sent.body().length, sent.events.at(-2)]).toEqual([size, 'end']);
  });

  it('takes one request at a time', async () => {
    upstream.attend = (socket) => void sockets.push(socket);
    const pool = openPool();
    const [first, second] = [sendRecorded(pool), sendRecorded(pool)];
    await expect.poll(() => upstream.received.filter(({ length }) => length > 0).length, PATIENCE).toBe(2);
    for (const socket of sockets) socket.write(OK);
    await Promise.all([first.released, second.released]);
    for (const bytes of upstream.received) expect(bytes.toString().match(/GET/g)).toHaveLength(1);
  });

  it('of a retired pool is closed, at once or after its response', async () => {
    const pool = openPool();
    await send(pool);
    upstream.attend = (socket) => void sockets.push(socket);
    const busy = openPool();
    const sent = sendRecorded(busy);
    await expect.poll(() => sockets.length, PATIENCE).toBe(2);
    const left: string[] = [];
    pool.retire(() => left.push('unused'));
    busy.retire(() => left.push('busy'));
    await expect.poll(() => isClosed(sockets[0]), PATIENCE).toBe(true);
    expect(left).toEqual(['unused']);
    sockets[1]?.write(OK);
    await sent.released;
    expect([sent.body(), left]).toEqual(['ok', ['unused', 'busy']]);
    await allClosed();
  });

  it('reaches an address of IPv6', async () => {
    const server = createServer((socket) => void socket.on('data', () => socket.end(OK))).listen(0, '::1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    expect((await send(openPool({ origin: `http://[::1]:${port}` }))).body()).toBe('ok');
  });
});

describe('a request that fails', () => {
  const reset = (socket: Socket) => setTimeout(() => socket.resetAndDestroy(), 20);
  const end = (socket: Socket) => socket.end();
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  it.each<[string, string, string, (socket: Socket) => void, string]>([
    ['ends', 'before the first byte of a response', '', end, 'closed'],
    ['breaks', 'before the first byte of a response', '', reset, 'closed'],
    ['ends', 'in the head', 'HTTP/1.1 200 OK\r\nX', end, 'invalid'],
    ['breaks', 'in the head', 'HTTP/1.1 200 OK\r\nX', reset, 'invalid'],
    ['ends', 'after an informational response', 'HTTP/1.1 103 Hints\r\n\r\n', end, 'invalid'],
    ['breaks', 'after an informational response', 'HTTP/1.1 103 Hints\r\n\r\n', reset, 'invalid'],
    ['ends', 'in a body of known length', OK.slice(0, -1), end, 'incomplete'],
    ['breaks', 'in a body of known length', OK.slice(0, -1), reset, 'incomplete'],
    ['ends', 'in a chunk', `${chunked}3\r\nok`, end, 'incomplete'],
    ['ends', 'before the last chunk', `${chunked}2\r\nok\r\n`, end, 'incomplete'],
    ['breaks', 'in a body without an end of its own', 'HTTP/1.1 200 OK\r\n\r\nok', reset, 'incomplete'],
    ['sends', 'no HTTP', 'SSH-2.0-x\r\n', () => undefined, 'invalid'],
  ])('because its connection %s %s, tells so', async (_how, _when, bytes, then, failure) => {
    respondWith(bytes, then);
    const sent = await send(openPool());
    expect([sent.failure(), sent.events.slice(-2)]).toEqual([failure, ['error', 'released']]);
    await allClosed();
  });

  it('because its connection ends before the first byte of a second response, tells so', async () => {
    upstream.attend = (socket) =>
      void socket.once('data', () => {
        socket.write(OK);
        socket.once('data', () => socket.end());
      });
    const pool = openPool();
    expect((await send(pool)).body()).toBe('ok');
    expect([(await send(pool)).failure(), upstream.received.length]).toEqual(['closed', 1]);
  });

  it('is none when a body without an end of its own ends in order', async () => {
    respondWith('HTTP/1.1 200 OK\r\n\r\nok', end);
    expect((await send(openPool())).events).toEqual(['connected', 'head', 'data', 'end', 'released']);
  });

  it('because nobody listens, keeps the error of the system', async () => {
    const sent = await send(openPool({ origin: `http://127.0.0.1:${await freePort()}` }));
    expect([sent.failure(), sent.events]).toEqual(['ECONNREFUSED', ['error', 'released']]);
  });

  it('because connecting takes too long, is late', async () => {
    const pool = openPool({ origin: 'http://api.test:81', connectMs: 50, lookup: () => undefined });
    const sent = await send(pool);
    expect([sent.failure(), sent.events]).toEqual(['timeout', ['error', 'released']]);
  });

  it('because a value has a line break, sends nothing', async () => {
    const pool = openPool();
    const sent = await send(pool, { headers: ['Host', 'api', 'Authorization', 'Bearer a\r\nX-Evil: 1'] });
    expect([sent.failure(), sent.events]).toEqual(['unsendable', ['connected', 'error', 'released']]);
    await expect.poll(() => upstream.received.map(String), PATIENCE).toEqual(['']);
  });
});

describe('the time-outs', () => {
  const drip = (text: string) => {
    upstream.attend = async (socket, head) => {
      sockets.push(socket);
      await head;
      let at = 0;
      const timer = setInterval(() => socket.write(text[at++ % text.length] ?? ''), 10);
      socket.on('close', () => clearInterval(timer));
    };
  };

  it.each([
    ['a head byte by byte', `HTTP/1.1 200 OK\r\n${'X-A: 1\r\n'.repeat(1_000)}`],
    ['no end of informational responses', 'HTTP/1.1 103 Hints\r\n\r\n'],
  ])('end a response of %s', async (_what, text) => {
    drip(text);
    const sent = await send(openPool(), { headersTimeout: 300 });
    expect([sent.failure(), sent.status()]).toEqual(['timeout', undefined]);
    await allClosed();
  });

  it('end a body that stalls, and not a slow one', async () => {
    respondWith(OK.slice(0, -1));
    expect((await send(openPool(), { bodyTimeout: 100 })).failure()).toBe('timeout');
    await allClosed();
    drip(`HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n${'x'.repeat(60)}`);
    const sent = await send(openPool(), { bodyTimeout: 5_000 });
    expect([sent.body(), sent.events.at(-2)]).toEqual(['x'.repeat(60), 'end']);
  });

  it('do not count while a held or paused response waits for its reader', async () => {
    const sent = sendRecorded(openPool(), { headersTimeout: 2_000, bodyTimeout: 50 }, 'hold');
    await expect.poll(() => sent.events, PATIENCE).toContain('head');
    upstream.attend = () => undefined;
    expect((await send(openPool(), { headersTimeout: 2_500 })).failure()).toBe('timeout');
    expect(sent.events).toEqual(['connected', 'head']);
    sent.exchange.resume();
    await sent.released;
    expect(sent.body()).toBe('ok');
  });
});

describe('a request that is given up', () => {
  /** Gives up, and expects exactly one error, one release, and the end of the connection. */
  async function giveUp(sent: ReturnType<typeof sendRecorded>) {
    sent.exchange.abort(new Error('given up'));
    await sent.released;
    expect(sent.failure()).toBe('given up');
    expect(sent.events.filter((event) => /error|released/.test(event))).toEqual(['error', 'released']);
    const before = [...sent.events];
    await allClosed();
    sent.exchange.abort(new Error('again'));
    sent.exchange.resume();
    expect(sent.events).toEqual(before);
  }

  it('while it connects leaves nothing behind', async () => {
    const resolved = Promise.withResolvers<() => void>();
    const lookup: LookupFunction = (_name, _options, found) =>
      resolved.resolve(() => found(null, [{ address: '127.0.0.1', family: 4 }]));
    const pool = openPool({ origin: upstream.url.replace('127.0.0.1', 'api.test'), lookup });
    const sent = sendRecorded(pool);
    const answer = await resolved.promise;
    await giveUp(sent);
    answer();
    // Later than a connection of the first one would be.
    for (let call = 0; call < 3; call += 1) await send(openPool(), { path: '/later' });
    let isEmpty = false;
    pool.retire(() => (isEmpty = true));
    expect(isEmpty).toBe(true);
    expect(upstream.received.every((bytes) => bytes.includes('/later'))).toBe(true);
    expect(sent.events).toEqual(['error', 'released']);
  });

  it('once it is connected sends nothing, and takes nothing of its body', async () => {
    const body = Readable.from(['one']);
    const sent = sendRecorded(openPool(), { method: 'POST', body }, undefined, (exchange) =>
      exchange.abort(new Error('given up')),
    );
    await expect.poll(() => sockets.length, PATIENCE).toBe(1);
    await giveUp(sent);
    expect([upstream.received.map(String), body.readableDidRead]).toEqual([[''], false]);
  });

  it.each([
    ['before a response', '', ''],
    ['in the head', 'HTTP/1.1 200', ''],
    ['in the body', OK.slice(0, -1), 'o'],
  ])('%s closes the connection', async (_when, bytes, body) => {
    respondWith(bytes);
    const sent = sendRecorded(openPool());
    await expect.poll(() => upstream.received.map(String).join(''), PATIENCE).toContain('\r\n\r\n');
    await expect.poll(() => sent.body(), PATIENCE).toBe(body);
    await giveUp(sent);
  });

  it('while its body is sent destroys the body', async () => {
    upstream.attend = (socket) => void sockets.push(socket);
    const body = new Readable({ read() {} });
    body.push('one');
    const sent = sendRecorded(openPool(), { method: 'POST', body });
    await expect.poll(() => upstream.received.map(String).join(''), PATIENCE).toContain('3\r\none\r\n');
    await giveUp(sent);
    expect(body.destroyed).toBe(true);
  });

  it('after its end, or read on then, does nothing to the next request on its connection', async () => {
    const pool = openPool();
    const first = await send(pool);
    upstream.attend = () => undefined;
    const second = sendRecorded(pool);
    first.exchange.abort(new Error('late'));
    first.exchange.resume();
    await second.released;
    expect([second.body(), upstream.received.length]).toEqual(['ok', 1]);
  });
});

describe('a request body', () => {
  /** Sends a body in these pieces, and gives what the upstream received of it. */
  async function received(pieces: string[], headers: string[] = [], end: 'ends' | 'fails' = 'ends') {
    upstream.attend = async (socket, head) => {
      sockets.push(socket);
      await head;
      socket.on('data', () => undefined);
    };
    const body = new Readable({ read() {} });
    for (const piece of pieces) body.push(piece);
    if (end === 'ends') body.push(null);
    const sent = sendRecorded(openPool(), { method: 'POST', body, headers: ['Host', 'api', ...headers] });
    if (end === 'fails') setTimeout(() => body.destroy(new Error('too large')), 20);
    const text = () => upstream.received[0]?.toString().split('\r\n\r\n').slice(1).join('\r\n\r\n');
    return { sent, body, text };
  }

  it('is sent in chunks, or with its length', async () => {
    const chunked = await received(['one', 'twenty']);
    await expect.poll(chunked.text, PATIENCE).toBe('3\r\none\r\n6\r\ntwenty\r\n0\r\n\r\n');
    expect(upstream.received[0]?.toString()).toContain('\r\nTransfer-Encoding: chunked\r\n');
  });

  it('is sent with its length', async () => {
    const known = await received(['one', 'two'], ['Content-Length', '6']);
    await expect.poll(known.text, PATIENCE).toBe('onetwo');
    expect(upstream.received[0]?.toString().match(/^content-length: 6\r\n/gim)).toHaveLength(1);
    expect(upstream.received[0]?.toString()).not.toContain('Transfer-Encoding');
  });

  it.each([
    ['longer', ['one', 'two'], 'one'],
    ['shorter', ['o'], 'o'],
  ])(
    'that is %s than announced never fills what follows, and its connection closes',
    async (_what, pieces, sentBytes) => {
      const { sent, text } = await received(pieces, ['Content-Length', '3']);
      await sent.released;
      expect(sent.failure()).toBe('aborted');
      await allClosed();
      expect(text()).toBe(sentBytes);
    },
  );

  it('that fails ends the request with its error and without its last chunk', async () => {
    const { sent, text } = await received(['one'], [], 'fails');
    await sent.released;
    expect(sent.failure()).toBe('too large');
    await allClosed();
    expect(text()).toBe('3\r\none\r\n');
  });

  it('that failed before it is sent is not an empty body', async () => {
    const body = new Readable({ read() {} });
    const closed = new Promise((resolve) => body.on('error', () => undefined).on('close', resolve));
    body.destroy(new Error('too large'));
    await closed;
    const sent = await send(openPool(), { method: 'POST', body });
    expect(sent.failure()).toBe('too large');
    expect(upstream.received.map(String).join('')).toBe('');
  });

  it('that is still sent when the response ends closes the connection', async () => {
    upstream.attend = async (socket, head) => {
      sockets.push(socket);
      await head;
      socket.write(OK);
    };
    const body = new Readable({ read() {} });
    body.push('one');
    const sent = await send(openPool(), { method: 'POST', body });
    expect([sent.body(), sent.events.at(-2), body.destroyed]).toEqual(['ok', 'end', true]);
    await allClosed();
  });

  it.each([
    ['POST', 'Content-Length: 0\r\n'],
    ['GET', ''],
    ['DELETE', ''],
  ])('that is empty is announced where servers expect one: %s', async (method, field) => {
    await send(openPool(), { method, body: Buffer.alloc(0) });
    expect(upstream.received[0]?.toString()).toBe(
      `${method} / HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive\r\n${field}\r\n`,
    );
  });

  it('is sent whole, small or large', async () => {
    for (const size of [1, 4_096, 4_097, 300_000]) {
      const pool = openPool();
      const body = Buffer.alloc(size, '\xff', 'latin1');
      upstream.received.length = 0;
      upstream.attend = (socket) => {
        let count = 0;
        socket.on('data', (chunk: Buffer) => {
          count += chunk.length;
          if (count >= size + 50) socket.write(OK);
        });
      };
      await send(pool, { method: 'PUT', body });
      const received = upstream.received.at(-1);
      expect(received?.subarray(received.indexOf('\r\n\r\n') + 4).equals(body)).toBe(true);
    }
  });
});

describe('a paused response', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n';
  it.each([
    ['with its connection', 'HTTP/1.1 200 OK\r\n\r\none', '', 'one'],
    ['with its connection, after more', 'HTTP/1.1 200 OK\r\n\r\none', 'two', 'onetwo'],
    ['by its length', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none', 'two', 'onetwo'],
    ['by its last chunk', chunked, '3\r\ntwo\r\n0\r\n\r\n', 'onetwo'],
    ['in one piece', `${chunked}3\r\ntwo\r\n0\r\n\r\n`, '', 'onetwo'],
  ])('that ends %s is read whole after its connection has ended', async (_how, first, second, whole) => {
    upstream.attend = async (socket, head) => {
      await head;
      socket.write(first);
      await expect.poll(() => sent.body(), PATIENCE).toBe('one');
      // The other side closes too, unless it has bytes left to read.
      socket.once(second === '' ? 'close' : 'finish', () => sockets.push(socket)).end(second);
    };
    const pool = openPool();
    const sent = sendRecorded(pool, {}, 'each');
    await expect.poll(() => sent.failure() ?? sockets.length, PATIENCE).toBe(1);
    const timer = setInterval(() => sent.exchange.resume(), 1);
    await sent.released;
    clearInterval(timer);
    expect([sent.body(), sent.events.at(-2)]).toEqual([whole, 'end']);
    respondWith(OK);
    expect([(await send(pool)).body(), upstream.received.length]).toEqual(['ok', 2]);
  });

  it('that ends too early fails once it is read on', async () => {
    upstream.attend = async (socket, head) => {
      await head;
      socket.write(OK.slice(0, -1));
      await expect.poll(() => sent.body(), PATIENCE).toBe('o');
      socket.once('close', () => sockets.push(socket)).end();
    };
    const sent = sendRecorded(openPool(), {}, 'each');
    await expect.poll(() => sent.failure() ?? sockets.length, PATIENCE).toBe(1);
    sent.exchange.resume();
    await sent.released;
    expect([sent.failure(), sent.body()]).toEqual(['incomplete', 'o']);
  });
});

describe('a held response', () => {
  it('keeps what comes meanwhile, also when its connection ends', async () => {
    respondWith('HTTP/1.1 200 OK\r\n\r\no', (socket) => {
      setTimeout(() => socket.end('k'), 20);
    });
    const sent = sendRecorded(openPool(), {}, 'hold');
    await expect.poll(() => sockets[0]?.writableFinished, PATIENCE).toBe(true);
    expect(sent.events).toEqual(['connected', 'head']);
    sent.exchange.resume();
    await sent.released;
    expect([sent.body(), sent.events.at(-2)]).toEqual(['ok', 'end']);
  });

  it('fails at once when its connection breaks', async () => {
    respondWith(OK.slice(0, -1), (socket) => void setTimeout(() => socket.resetAndDestroy(), 20));
    const sent = sendRecorded(openPool(), {}, 'hold');
    await sent.released;
    expect([sent.failure(), sent.events]).toEqual(['incomplete', ['connected', 'head', 'error', 'released']]);
  });

  it('is not read without end', async () => {
    const size = 64 * 1024 * 1024;
    const block = Buffer.alloc(64 * 1024, 'x');
    let taken = 0;
    const pump = (socket: Socket) =>
      void socket.write(block, () => {
        taken += block.length;
        if (taken < size) pump(socket);
      });
    respondWith(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`, pump);
    const sent = sendRecorded(openPool(), {}, 'hold');
    // Two seconds without another block: reading without end would make it slow, too.
    let [before, times] = [0, 0];
    const still = () => {
      times = taken > 0 && taken === before ? times + 1 : 0;
      before = taken;
      return times;
    };
    await expect.poll(still, { timeout: 60_000, interval: 50 }).toBeGreaterThan(40);
    expect(taken).toBeLessThan(size / 2);
    sent.exchange.resume();
    await sent.released;
    expect(sent.body()).toHaveLength(size);
  });
});
