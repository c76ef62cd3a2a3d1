import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valueOf, valuesOf } from '../../../../testkit/network/header-list.ts';
import { ACCEPT, KEY, SWITCHING, UPGRADE } from './handshake.ts';
import { type Fixture, codeOf, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;
let own: string;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/open', websocket: true, auth: 'none' },
      { path: '/maybe', websocket: true, auth: 'optional' },
      { path: '/moved', websocket: true, stripPrefix: true },
      {
        path: '/fields',
        websocket: true,
        cookies: { toUpstream: ['lang'] },
        requestHeaders: { set: { 'X-Set': '1' }, remove: ['X-Removed'] },
      },
    ],
    rawRoutes: [
      { path: '/raw', websocket: true },
      { path: '/raw/hasty', websocket: true, timeout: { headers: '300ms' } },
    ],
  });
  own = `Origin: ${fixture.gateway.url}`;
});

beforeEach(() => {
  fixture.reset();
  fixture.upstream.rejectUpgrades(undefined);
  fixture.upstream.upgrades.length = 0;
  fixture.raw.received.length = 0;
});

afterAll(() => fixture.close());

/** Requests an upgrade, and returns the response, which may be a 101. */
async function ask(path: string, fields: readonly string[] = [own, ...UPGRADE], head = fixture.head) {
  const connection = await fixture.open();
  connection.write(head(`GET ${path} HTTP/1.1`, ...fields));
  try {
    return await connection.readResponse();
  } finally {
    connection.close();
  }
}

/** The head of a request without the session cookie. */
const withoutTicket: Fixture['head'] = (requestLine, ...fields) =>
  [requestLine, `Host: ${fixture.host}`, ...fields, '', ''].join('\r\n');

describe('a WebSocket upgrade', () => {
  it('carries the access token and no credential of the client (standards: F3, F9, F24)', async () => {
    const response = await ask('/socket/live?x=1', [
      own,
      ...UPGRADE,
      'Authorization: Bearer attacker',
      'Cookie: other=1',
      'X-Forwarded-For: 6.6.6.6',
      'X_Forwarded_For: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'DPoP: attacker',
      'X-Custom: kept',
      'Sec-WebSocket-Protocol: chat, superchat',
      'Sec-WebSocket-Extensions: permessage-deflate',
    ]);
    expect(response.status).toBe(101);
    const [request] = fixture.upstream.upgrades;
    expect(request?.target).toBe('/socket/live?x=1');
    const headers = request?.headers ?? [];
    expect(namesOf(headers).toSorted()).toEqual([
      'authorization',
      'connection',
      'host',
      'origin',
      'sec-fetch-site',
      'sec-websocket-extensions',
      'sec-websocket-key',
      'sec-websocket-protocol',
      'sec-websocket-version',
      'traceparent',
      'upgrade',
      'x-custom',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
    ]);
    const [authorization = '', ...others] = valuesOf(headers, 'authorization');
    expect(others).toEqual([]);
    expect(fixture.provider.isAccessTokenActive(authorization.slice('Bearer '.length))).toBe(true);
    expect(valueOf(headers, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(valueOf(headers, 'host')).toBe(new URL(fixture.upstream.url).host);
    expect(valueOf(headers, 'sec-websocket-key')).toBe(KEY);
  });

  it('with Expect carries no credential of the client', async () => {
    await ask('/socket/live', [own, ...UPGRADE, 'Expect: 100-continue', 'Authorization: Bearer attacker']);
    const [request] = fixture.upstream.upgrades;
    expect(namesOf(request?.headers ?? [])).not.toContain('cookie');
    expect(namesOf(request?.headers ?? [])).not.toContain('expect');
    expect(request?.header('authorization')).not.toContain('attacker');
  });

  it('keeps the fields of the gateway when Connection names them', async () => {
    const fields = UPGRADE.filter((field) => !field.startsWith('Connection'));
    const nominated = 'Connection: Upgrade, Authorization, X-Forwarded-For, X-Custom, Sec-WebSocket-Protocol';
    expect((await ask('/socket/live', [own, ...fields, nominated, 'X-Custom: 1'])).status).toBe(101);
    const [request] = fixture.upstream.upgrades;
    expect(request?.header('authorization')).toBeDefined();
    expect(request?.header('x-forwarded-for')).toBe('127.0.0.1');
    expect(namesOf(request?.headers ?? [])).not.toContain('x-custom');
    expect(request?.header('connection')).toBe('Upgrade');
  });

  it('applies the prefix, fields and cookies of its route', async () => {
    expect((await ask('/moved/live?x=1')).status).toBe(101);
    expect(fixture.upstream.upgrades.pop()?.target).toBe('/live?x=1');
    await ask('/fields/live', [own, ...UPGRADE, 'Cookie: lang=de; theme=dark', 'X-Removed: 1', 'X-Set: 2']);
    const request = fixture.upstream.upgrades.pop();
    expect(request?.header('cookie')).toBe('lang=de');
    expect(request?.header('x-set')).toBe('1');
    expect(request?.header('x-removed')).toBeUndefined();
  });

  it('carries a token only when the route uses one and a session exists', async () => {
    for (const [path, head, hasToken] of [
      ['/open/live', fixture.head, false],
      ['/maybe/live', fixture.head, true],
      ['/maybe/live', withoutTicket, false],
    ] as const) {
      expect((await ask(path, [own, ...UPGRADE], head)).status).toBe(101);
      const request = fixture.upstream.upgrades.pop();
      expect(request?.header('authorization') !== undefined).toBe(hasToken);
      expect(request?.header('cookie')).toBeUndefined();
    }
  });

  it('gets a response with only the handshake fields (standards: F10, F11)', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write(
        `${SWITCHING}Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\nSet-Cookie: coatcheck=evil\r\nServer: s\r\nX-Inside: 1\r\n\r\n`,
      );
    };
    const response = await ask('/raw/live', [own, ...UPGRADE, 'Sec-WebSocket-Protocol: chat']);
    expect(response.status).toBe(101);
    expect(namesOf(response.headers).toSorted()).toEqual([
      'connection',
      'sec-websocket-accept',
      'sec-websocket-extensions',
      'sec-websocket-protocol',
      'upgrade',
    ]);
    expect(response.header('sec-websocket-accept')).toBe(ACCEPT);
    expect(response.header('sec-websocket-protocol')).toBe('chat');
  });
});

describe('an upgrade is rejected without contacting the upstream', () => {
  it.each([
    ['https://evil.example'],
    ['null'],
    ['http://127.0.0.1'],
    ['http://127.0.0.1.evil.example'],
    [undefined],
  ])('from the Origin %s (standards: F24)', async (origin) => {
    for (const path of ['/raw/live', '/open/live']) {
      const fields = origin === undefined ? [] : [`Origin: ${origin}`];
      const response = await ask(path, [...fields, ...UPGRADE, 'Sec-Fetch-Site: same-origin', 'X-CSRF: 1']);
      expect([response.status, codeOf(response)]).toEqual([403, 'origin_rejected']);
    }
    expect(fixture.raw.received).toEqual([]);
    expect(fixture.upstream.upgrades).toEqual([]);
  });

  it('without a session (standards: F24)', async () => {
    for (const cookie of [[], ['Cookie: coatcheck=forged']]) {
      const response = await ask('/raw/live', [own, ...UPGRADE, ...cookie], withoutTicket);
      expect([response.status, JSON.parse(response.body.toString()).loginUrl]).toEqual([401, '/auth/login']);
      expect(response.header('content-type')).toBe('application/problem+json');
      expect(response.header('connection')).toBe('close');
    }
    expect(fixture.raw.received).toEqual([]);
  });

  it('with the request ID in a header field of the response', async () => {
    const unsafe = [own.replace('Origin', 'X-Other'), ...UPGRADE];
    for (const [path, fields] of [
      ['/nothing', [own, ...UPGRADE]],
      ['/raw/live', unsafe],
      ['/raw/../live', unsafe],
    ] as const) {
      const response = await ask(path, fields);
      const { requestId } = JSON.parse(response.body.toString());
      expect(valuesOf(response.headers, 'x-request-id')).toEqual([requestId]);
    }
  });

  it('to any other protocol (standards: F26)', async () => {
    for (const upgrade of ['h2c', 'foo', 'websocket, h2c', 'h2c, websocket', 'TLS/1.0']) {
      const fields = [
        own,
        'Connection: Upgrade, HTTP2-Settings',
        `Upgrade: ${upgrade}`,
        'HTTP2-Settings: AAMAAABkAAQCAAAA',
      ];
      expect((await ask('/raw/live', fields)).status).toBe(400);
      expect((await ask('/api/live', fields)).status).not.toBe(101);
    }
    expect(fixture.raw.received).toEqual([]);
  });

  it('with another method than GET, or with a body', async () => {
    const connection = await fixture.open();
    connection.write(fixture.head('POST /raw/live HTTP/1.1', own, ...UPGRADE));
    expect((await connection.readResponse('POST')).status).toBe(400);
    connection.close();
    for (const framing of ['Content-Length: 4', 'Transfer-Encoding: chunked']) {
      const body = framing.startsWith('C') ? 'body' : '4\r\nbody\r\n0\r\n\r\n';
      const response = await ask(
        '/raw/live',
        [own, ...UPGRADE, framing],
        (...args) => fixture.head(...args) + body,
      );
      expect(response.status).toBe(400);
    }
    expect(fixture.raw.received).toEqual([]);
  });

  it('on a route without WebSockets and outside every route', async () => {
    for (const path of ['/api/live', '/public/live', '/nothing', '/auth/session', '/']) {
      const response = await ask(path);
      expect([response.status, codeOf(response)]).toEqual([404, 'not_found']);
    }
    expect(fixture.upstream.upgrades).toEqual([]);
  });

  it.each([
    '//evil.example/raw/live',
    'http://evil.example/raw/live',
    '/raw/../api/live',
    '/raw/..%2fapi/live',
    '/raw/%2e%2e/api/live',
    '/raw/%252e%252e/live',
    '/raw/..;/live',
    '/raw/..\\live',
    '/raw/%5c..%5clive',
    '/raw/live#x',
    '/raw/live%0d%0aX:1',
    '/%72aw/live',
    '/raw;x/live',
    '*',
  ])('for the target %s (standards: F13, F24)', async (target) => {
    expect((await ask(target)).status).toBe(400);
    expect(fixture.raw.received).toEqual([]);
    expect(fixture.upstream.upgrades).toEqual([]);
  });

  it('for another host', async () => {
    const head: Fixture['head'] = (requestLine, ...fields) =>
      fixture.head(requestLine, ...fields).replace(`Host: ${fixture.host}`, 'Host: evil.example');
    expect((await ask('/raw/live', [own, ...UPGRADE], head)).status).toBe(421);
    expect(fixture.raw.received).toEqual([]);
  });
});

describe('an upstream that does not upgrade', () => {
  it.each([401, 403, 404, 500, 200])(
    'has its response with status %i forwarded to the client',
    async (code) => {
      fixture.raw.attend = async (socket, head) => {
        await head;
        socket.end(
          `HTTP/1.1 ${code} Why\r\nContent-Length: 3\r\nX-Why: 1\r\nSet-Cookie: coatcheck=evil\r\nServer: s\r\nClear-Site-Data: "*"\r\nWWW-Authenticate: Basic\r\n\r\nwhy`,
        );
      };
      const response = await ask('/raw/live');
      expect([response.status, response.header('x-why'), response.body.toString()]).toEqual([
        code,
        '1',
        'why',
      ]);
      expect(response.header('cache-control')).toBe('no-store');
      for (const name of ['set-cookie', 'server', 'clear-site-data', 'www-authenticate']) {
        expect(namesOf(response.headers)).not.toContain(name);
      }
    },
  );

  it('has its chunked response forwarded to the client', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.end('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n');
    };
    const response = await ask('/raw/live');
    expect([response.status, response.body.toString()]).toEqual([403, 'no']);
  });

  it('never receives the bytes that the client sends after the upgrade request (standards: F26)', async () => {
    for (const code of [200, 403]) {
      fixture.raw.attend = async (socket, head) => {
        await head;
        socket.write(`HTTP/1.1 ${code} Why\r\nContent-Length: 2\r\n\r\nno`);
      };
      const smuggled = 'GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
      const response = await ask(
        '/raw/live',
        [own, ...UPGRADE],
        (...args) => fixture.head(...args) + smuggled,
      );
      expect(response.status).toBe(code);
      await sleep(20);
    }
    expect(fixture.raw.received.map((bytes) => bytes.toString()).join()).not.toContain('smuggled');
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    ['is down', 502, undefined],
    ['closes the connection', 502, ''],
    ['does not speak HTTP', 502, 'SSH-2.0\r\n\r\n'],
    ['switches to another protocol', 502, SWITCHING.replace('Upgrade: websocket', 'Upgrade: evil')],
    ['sends a wrong handshake value', 502, SWITCHING.replace(ACCEPT, 'bm90IHRoZSByaWdodCBvbmU=')],
    ['omits the handshake value', 502, SWITCHING.replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['does not respond', 504, 'wait'],
  ])('and %s causes a response with status %i', async (_what, status, bytes) => {
    if (bytes === undefined) await fixture.raw.stop();
    fixture.raw.attend = async (socket, head) => {
      await head;
      if (bytes === '') socket.resetAndDestroy();
      else if (bytes !== 'wait') socket.write(`${bytes}\r\n`);
    };
    const response = await ask(bytes === 'wait' ? '/raw/hasty/live' : '/raw/live');
    await fixture.raw.start();
    expect(response.status).toBe(status);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.body.toString()).not.toContain(`${fixture.raw.port}`);
    expect(response.header('x-request-id') ?? JSON.parse(response.body.toString()).requestId).toBeDefined();
  });
});

describe('an open WebSocket', () => {
  it('carries text, binary and large messages in both directions with a subprotocol and compression', async () => {
    const socket = await fixture.agent.websocket('/socket/live', { protocols: ['chat'] });
    expect(socket.protocol).toBe('chat');
    socket.send('hello \u20ac');
    expect(await socket.next()).toBe('hello \u20ac');
    for (const size of [0, 125, 126, 65_535, 65_536, 5_000_000]) {
      const message = Buffer.alloc(size, 'y');
      socket.send(message);
      const back = await socket.next();
      expect(Buffer.isBuffer(back) && back.equals(message)).toBe(true);
    }
    socket.close(4000, 'done');
    expect(await socket.closed).toEqual({ code: 4000, reason: 'done' });
  });

  it('receives bytes that arrive together with the 101', async () => {
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write(`${SWITCHING}\r\n\x81\x05hello`, 'latin1');
    };
    const connection = await fixture.open();
    connection.write(fixture.head('GET /raw/live HTTP/1.1', own, ...UPGRADE));
    expect((await connection.readResponse()).status).toBe(101);
    expect((await connection.readUntil('hello')).toString('latin1')).toBe('\x81\x05hello');
    connection.close();
  });

  it('delays bytes that the client sends early until the 101 (standards: F26)', async () => {
    const gate = Promise.withResolvers<void>();
    fixture.raw.attend = async (socket, head) => {
      await head;
      await gate.promise;
      socket.write(`${SWITCHING}\r\n`);
    };
    const connection = await fixture.open();
    connection.write(fixture.head('GET /raw/live HTTP/1.1', own, ...UPGRADE) + 'early');
    await expect.poll(() => fixture.raw.received.length).toBe(1);
    await sleep(50);
    expect(fixture.raw.received[0]?.toString()).not.toContain('early');
    gate.resolve();
    await connection.readUntil('\r\n\r\n');
    await expect.poll(() => fixture.raw.received[0]?.toString()).toContain('\r\n\r\nearly');
    connection.close();
  });

  it('pauses the upstream while the browser does not read', async () => {
    const total = 160 * 1024 * 1024;
    let written = 0;
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write(`${SWITCHING}\r\n`);
      const frame = Buffer.concat([
        Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0]),
        Buffer.alloc(1024 * 1024, 'x'),
      ]);
      const push = () => {
        while (written < total) {
          written += frame.length;
          if (!socket.write(frame)) return socket.once('drain', push);
        }
        return undefined;
      };
      push();
    };
    const connection = await fixture.open();
    connection.write(fixture.head('GET /raw/live HTTP/1.1', own, ...UPGRADE));
    await connection.readUntil('\r\n\r\n');
    connection.socket.removeAllListeners('data');
    connection.socket.pause();
    let before = -1;
    await expect
      .poll(
        () => {
          const still = written > 0 && written === before;
          before = written;
          return still;
        },
        { interval: 150, timeout: 20_000 },
      )
      .toBe(true);
    expect(written).toBeLessThan(100 * 1024 * 1024);
    connection.socket.on('data', () => undefined).resume();
    await expect.poll(() => connection.socket.bytesRead, { timeout: 20_000 }).toBeGreaterThan(total);
    connection.close();
  });

  it('closes on the other side when one side closes or breaks', async () => {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const { promise: gone, resolve } = Promise.withResolvers<void>();
      fixture.raw.attend = async (socket, head) => {
        socket.once('close', () => resolve());
        socket.once('end', () => socket.end());
        await head;
        socket.write(`${SWITCHING}\r\n`);
      };
      const connection = await fixture.open();
      connection.write(fixture.head('GET /raw/live HTTP/1.1', own, ...UPGRADE));
      await connection.readUntil('\r\n\r\n');
      connection.socket[end]();
      await gone;
    }
    for (const end of ['end', 'resetAndDestroy'] as const) {
      fixture.raw.attend = async (socket, head) => {
        await head;
        socket.write(`${SWITCHING}\r\n`);
        await sleep(10);
        socket[end]();
      };
      const connection = await fixture.open();
      connection.write(fixture.head('GET /raw/live HTTP/1.1', own, ...UPGRADE));
      await connection.readUntil('\r\n\r\n');
      await connection.ended;
      connection.close();
    }
  });
});

it('no token reaches the browser or the log in these tests', () => {
  expect(fixture.leaks()).toEqual([]);
});
