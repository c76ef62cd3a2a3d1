import { finished } from 'node:stream/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RawUpstream, startRawUpstream } from '../../../testkit/network/raw-upstream.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream, largeBody } from '../../../testkit/upstream/streams.ts';
import { UPGRADE } from '../proxy/websockets/handshake.ts';
import { type Fixture, respondingWith, codeOf, namesOf, openFixture, sha256 } from '../proxy/fixture.ts';

let fixture: Fixture;
/** The fake development server. */
let devServer: Upstream;
/** A gateway whose development server is down. */
let away: Fixture;

beforeAll(async () => {
  devServer = await startUpstream();
  fixture = await openFixture({ config: { spa: { devServer: devServer.url } } });
});

beforeEach(() => {
  fixture.reset();
  devServer.requests.length = 0;
  devServer.upgrades.length = 0;
});

afterAll(async () => {
  await fixture.close();
  await devServer.close();
});

describe('a request to the development server', () => {
  it('carries its path and header fields but no session cookie or other credential', async () => {
    const response = await fixture.send('GET /src/main.ts?t=1 HTTP/1.1', [
      'Authorization: Bearer attacker',
      'Proxy-Authorization: Basic YTpi',
      'Accept: text/html',
      'If-None-Match: "1"',
    ]);
    expect(response.status).toBe(200);
    const [request] = devServer.requests;
    expect(request?.target).toBe('/src/main.ts?t=1');
    expect(request?.header('host')).toBe(new URL(devServer.url).host);
    expect(request?.header('accept')).toBe('text/html');
    expect(request?.header('if-none-match')).toBe('"1"');
    const names = namesOf(request?.headers ?? []);
    for (const name of ['cookie', 'authorization', 'proxy-authorization']) expect(names).not.toContain(name);
    expect(JSON.stringify(request?.headers)).not.toContain(fixture.ticket);
  });

  it('with Expect carries its body but no credential', async () => {
    const connection = await fixture.open();
    const fields = ['Expect: 100-continue', 'Content-Length: 4', 'Authorization: Bearer attacker'];
    connection.write(fixture.head('POST /__open-in-editor HTTP/1.1', ...fields));
    await connection.readUntil('HTTP/1.1 100 Continue\r\n\r\n');
    connection.write('body');
    expect((await connection.readResponse('POST')).status).toBe(200);
    expect(devServer.requests[0]).toMatchObject({ method: 'POST', bodySha256: sha256('body') });
    const names = namesOf(devServer.requests[0]?.headers ?? []);
    for (const name of ['cookie', 'authorization', 'expect']) expect(names).not.toContain(name);
    connection.close();
  });

  it('gets the response of the development server unchanged', async () => {
    devServer.respond(
      respondingWith({ 'content-type': 'text/html', 'cache-control': 'no-cache', etag: 'W/"1"' }, 404),
    );
    const missing = await fixture.send('GET /missing HTTP/1.1');
    expect([missing.status, missing.header('etag'), missing.body.toString()]).toEqual([404, 'W/"1"', 'ok']);

    devServer.respond(respondingWith({ location: '/base/' }, 302));
    expect((await fixture.send('GET / HTTP/1.1')).header('location')).toBe('/base/');

    devServer.respond(largeBody(5_000_000).behaviour);
    expect((await fixture.send('GET /large.js HTTP/1.1')).body).toHaveLength(5_000_000);
  });

  it('for an event stream is cut off when the gateway stops', async () => {
    const other = await openFixture({ config: { spa: { devServer: devServer.url } } });
    const stream = controlledStream();
    devServer.respond(stream.behaviour);
    void stream.write(': hello\n\n');
    const { body } = await other.agent.open('/__hmr');
    other.gateway.gateway.drain();
    await expect(finished(body)).rejects.toThrow('aborted');
    devServer.respond(echo);
    await other.close();
  });

  it('is forwarded only for a valid path outside the routes and endpoints of the gateway', async () => {
    for (const path of ['/api/one', '/auth/session', '/public/one'])
      await fixture.send(`GET ${path} HTTP/1.1`);
    for (const path of ['/../x', '/%2e%2e/x', '//evil.example/x', '/a\\b', 'http://evil.example/']) {
      expect((await fixture.send(`GET ${path} HTTP/1.1`)).status).toBe(400);
    }
    expect(devServer.requests).toEqual([]);
  });
});

describe('a WebSocket to the development server', () => {
  it('opens for a page of the same origin without the session cookie', async () => {
    const socket = await fixture.agent.websocket('/?token=hot', { protocols: ['vite-hmr'] });
    expect(socket.protocol).toBe('vite-hmr');
    socket.send('ping');
    expect(await socket.next()).toBe('ping');
    const [request] = devServer.upgrades;
    expect(request?.target).toBe('/?token=hot');
    const names = namesOf(request?.headers ?? []);
    for (const name of ['cookie', 'authorization']) expect(names).not.toContain(name);
    socket.close();
    await socket.closed;
  });

  it('closes with 1001 when the gateway stops, including one that opens while it stops', async () => {
    const other = await openFixture({ config: { spa: { devServer: devServer.url } } });
    const before = await other.agent.websocket('/');
    other.gateway.gateway.drain();
    expect((await before.closed).code).toBe(1001);
    const after = await other.agent.websocket('/');
    expect((await after.closed).code).toBe(1001);
    await other.close();
  });

  it('is logged like every request with its status', async () => {
    const logged = async (status: number) => {
      const lines = () =>
        fixture.gateway
          .logs()
          .split('\n')
          .filter((line) => line.includes('"path":"/hot"'));
      await expect.poll(() => lines().length).toBe(1);
      expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ msg: 'request', route: 'spa', status });
    };
    const socket = await fixture.agent.websocket('/hot?token=canary');
    await logged(101);
    expect(fixture.gateway.logs()).not.toContain('canary');
    socket.close();
    await socket.closed;
  });

  it.each(['https://evil.example', 'null', undefined])(
    'is rejected for the Origin %s before the gateway connects (standards: F24)',
    async (origin) => {
      const fields = origin === undefined ? [] : [`Origin: ${origin}`];
      const response = await fixture.send('GET / HTTP/1.1', [...fields, ...UPGRADE]);
      expect([response.status, codeOf(response)]).toEqual([403, 'origin_rejected']);
      expect(devServer.upgrades).toEqual([]);
    },
  );

  it('is rejected for another protocol and for an invalid path', async () => {
    const own = `Origin: ${fixture.gateway.url}`;
    for (const path of ['/../x', '//evil.example/', '/%2e%2e/']) {
      expect((await fixture.send(`GET ${path} HTTP/1.1`, [own, ...UPGRADE])).status).toBe(400);
    }
    const h2c = await fixture.send('GET / HTTP/1.1', [own, 'Connection: Upgrade', 'Upgrade: h2c']);
    expect(h2c.status).toBe(400);
    expect(devServer.upgrades).toEqual([]);
  });
});

it('a WebSocket to a development server that disconnects ends without additional bytes', async () => {
  const raw = await startRawUpstream(async (socket, head) => {
    const key = /^Sec-WebSocket-Key: (.*)\r$/im.exec(await head)?.[1];
    if (key === undefined) return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello',
      'latin1',
    );
    setImmediate(() => socket.resetAndDestroy());
    return undefined;
  });
  const other = await openFixture({ config: { spa: { devServer: raw.url } } });
  const connection = await other.open();
  connection.write(other.head('GET / HTTP/1.1', `Origin: ${other.gateway.url}`, ...UPGRADE));
  await connection.readUntil('\r\n\r\n');
  await connection.ended;
  expect('\x81\x05hello').toContain(connection.pending().toString('latin1'));
  connection.close();
  await other.close();
  await raw.close();
});

describe('a development server that is down', () => {
  let raw: RawUpstream;
  let breaksOff = false;

  beforeAll(async () => {
    raw = await startRawUpstream(async (socket, head) => {
      await head;
      if (breaksOff) socket.resetAndDestroy();
      else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    away = await openFixture({ config: { spa: { devServer: raw.url } } });
    breaksOff = true;
  });

  afterAll(async () => {
    await away.close();
    await raw.close();
  });

  it('causes a 502 that names it for pages and WebSockets and does not affect the API', async () => {
    const own = `Origin: ${away.gateway.url}`;
    for (const state of ['breaking off', 'gone']) {
      if (state === 'gone') await raw.stop();
      for (const [fields, body] of [
        [[], ''],
        [['Content-Length: 4'], 'body'],
      ] as const) {
        const response = await away.send('POST /x HTTP/1.1', fields, body);
        expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
        expect(JSON.parse(response.body.toString()).detail).toContain('development server');
      }
      const socket = await away.send('GET / HTTP/1.1', [own, ...UPGRADE]);
      expect([socket.status, codeOf(socket)]).toEqual([502, 'upstream_unreachable']);
      const { requestId } = JSON.parse(socket.body.toString());
      await expect.poll(() => lineOf(requestId)).toMatchObject({ path: '/', route: 'spa', status: 502 });
    }
    expect((await away.send('GET /api/one HTTP/1.1')).status).toBe(200);
  });
});

/** The line of the access log for a request. */
function lineOf(requestId: string): unknown {
  const lines = away.gateway.logs().split('\n');
  const line = lines.find((each) => each.includes(requestId) && each.includes('"msg":"request"'));
  return line === undefined ? undefined : JSON.parse(line);
}

it('an incomplete response from the development server is cut off', async () => {
  const raw = await startRawUpstream(async (socket, head) => {
    const isWhole = !(await head).startsWith('GET /x ');
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${isWhole ? 4 : 1000}\r\n\r\npart`);
    if (isWhole) socket.end();
    else setImmediate(() => socket.resetAndDestroy());
  });
  const other = await openFixture({ config: { spa: { devServer: raw.url } } });
  await expect(other.send('GET /x HTTP/1.1')).rejects.toThrow('the connection ended before a whole response');
  await other.close();
  await raw.close();
});
