import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../../../testkit/gateway/gateway.ts';
import { SESSION_SECRET as SECRET } from '../../../../testkit/gateway/gateway-config.ts';
import type { RawConnection } from '../../../../testkit/network/raw-client.ts';
import { type RawUpstream, startRawUpstream } from '../../../../testkit/network/raw-upstream.ts';
import { type RedisServer, startRedis } from '../../../../testkit/redis/redis-server.ts';
import { type AgentWebSocket } from '../../../../testkit/user-agent/web-socket.ts';
import { createUserAgent } from '../../../../testkit/user-agent/user-agent.ts';
import { SWITCHING, UPGRADE } from './handshake.ts';
import { type Fixture, openFixture } from '../fixture.ts';

let fixture: Fixture;

afterEach(() => fixture.close());

/** Signs out, as a page does. */
const signOut = async ({ agent }: Fixture) => {
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
};

async function openEchoing(path = '/socket/live'): Promise<AgentWebSocket> {
  const socket = await fixture.agent.websocket(path);
  socket.send('hello');
  expect(await socket.next()).toBe('hello');
  return socket;
}

describe('an open WebSocket', () => {
  it('closes with 1008 on both sides when its session ends by logout (standards: F25)', async () => {
    fixture = await openFixture();
    const sockets = await Promise.all([openEchoing(), openEchoing()]);
    const upstreamEnds = fixture.upstream.webSockets.map(
      (socket) => new Promise((resolve) => socket.once('close', resolve)),
    );
    await signOut(fixture);
    for (const socket of sockets) expect((await socket.closed).code).toBe(1008);
    await Promise.all(upstreamEnds);
  });

  it('closes with 1008 when its session reaches the idle limit and not before (standards: F25)', async () => {
    fixture = await openFixture({
      config: { session: { store: 'memory:', secrets: [SECRET], idleTimeout: '3s' } },
    });
    const socket = await openEchoing();
    const openedAtMs = Date.now();
    let isClosed = false;
    const closed = socket.closed.then(({ code }) => {
      isClosed = true;
      return code;
    });
    // Requests beside it keep the session, and with it the socket, alive.
    while (Date.now() - openedAtMs < 4_000) {
      expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(isClosed).toBe(false);
    expect(await closed).toBe(1008);
  });

  it('closes with 1008 when its session reaches the absolute limit (standards: F25)', async () => {
    fixture = await openFixture({
      config: { session: { store: 'memory:', secrets: [SECRET], idleTimeout: '3s', absoluteTimeout: '3s' } },
    });
    const socket = await openEchoing();
    expect((await socket.closed).code).toBe(1008);
  });

  it('closes with 1001 when the gateway drains, including one that opens during the drain', async () => {
    fixture = await openFixture();
    const socket = await openEchoing();
    fixture.gateway.gateway.drain();
    expect((await socket.closed).code).toBe(1001);
    const late = await fixture.agent.websocket('/socket/live');
    expect((await late.closed).code).toBe(1001);
  });

  it('stays open when the session of another user ends or when it has no session', async () => {
    fixture = await openFixture({ routes: [{ path: '/open', auth: 'none', websocket: true }] });
    const other = createUserAgent(fixture.gateway.url);
    await other.signIn('/', { loginHint: 'bob' });
    const [mine, theirs] = await Promise.all([openEchoing(), other.websocket('/socket/live')]);
    const open = await openEchoing('/open/live');
    await signOut(fixture);
    expect((await mine.closed).code).toBe(1008);
    for (const socket of [theirs, open]) {
      socket.send('still here');
      expect(await socket.next()).toBe('still here');
    }
    other.close();
  });
});

describe('with two gateways on one Redis', () => {
  let redis: RedisServer;
  let second: RunningGateway;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(() => redis.close());

  beforeEach(async () => {
    fixture = await openFixture({ store: redis.url });
    const { provider, upstream, gateway } = fixture;
    second = await startGateway({ provider, upstream, store: redis.url, baseUrl: gateway.url });
  });

  afterEach(() => second.close());

  it('a WebSocket at one closes with 1008 when its session ends at the other (standards: F25)', async () => {
    const elsewhere = createUserAgent(fixture.gateway.url, {
      connect: { host: '127.0.0.1', port: second.port },
    });
    for (const { line } of fixture.agent.cookies.lines) elsewhere.setCookie(line);
    const [here, there] = await Promise.all([
      fixture.agent.websocket('/socket/a'),
      elsewhere.websocket('/socket/b'),
    ]);
    await signOut(fixture);
    expect((await here.closed).code).toBe(1008);
    expect((await there.closed).code).toBe(1008);
    elsewhere.close();
  });
});

describe('the close frame of the gateway', () => {
  let raw: RawUpstream;
  let connection: RawConnection;
  /** The upstream's side of the socket. */
  let upstreamSocket: Socket;

  beforeEach(async () => {
    const opened = Promise.withResolvers<Socket>();
    raw = await startRawUpstream(async (socket, head) => {
      await head;
      socket.write(`${SWITCHING}\r\n`);
      opened.resolve(socket);
    });
    fixture = await openFixture({ routes: [{ path: '/raw', upstream: raw.url, websocket: true }] });
    connection = await fixture.open();
    connection.write(fixture.head('GET /raw/live HTTP/1.1', `Origin: ${fixture.gateway.url}`, ...UPGRADE));
    await connection.readUntil('\r\n\r\n');
    upstreamSocket = await opened.promise;
  });

  afterEach(async () => {
    connection.close();
    await raw.close();
  });

  const frame = (payload: string) =>
    Buffer.concat([
      Buffer.from([0x82, 126, payload.length >> 8, payload.length & 0xff]),
      Buffer.from(payload),
    ]);
  const CLOSE_1008 = Buffer.from([0x88, 2, 0x03, 0xf0]);

  /** Everything the browser got before the connection ended. */
  const rest = async () => {
    await connection.ended;
    return connection.pending();
  };

  it('is sent immediately between two frames and the connection closes cleanly', async () => {
    upstreamSocket.write(frame('x'.repeat(300)));
    await connection.readUntil('x'.repeat(300));
    await signOut(fixture);
    expect(await rest()).toEqual(CLOSE_1008);
    connection.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    connection.end();
  });

  it('waits for the end of an unfinished frame and is the last frame', async () => {
    const whole = frame('y'.repeat(300));
    upstreamSocket.write(whole.subarray(0, 100));
    await expect.poll(() => connection.pending().length).toBe(100);
    await signOut(fixture);
    upstreamSocket.write(Buffer.concat([whole.subarray(100), frame('after'), whole.subarray(0, 9)]));
    const seen = await rest();
    expect(seen.subarray(0, whole.length)).toEqual(whole);
    // What came in the same piece may pass, but whole; then the close, and nothing else.
    expect([Buffer.concat([frame('after'), CLOSE_1008]), CLOSE_1008]).toContainEqual(
      seen.subarray(whole.length),
    );
  });

  it('is omitted when a frame never ends and no byte is inserted into the frame', async () => {
    const part = frame('z'.repeat(300)).subarray(0, 100);
    upstreamSocket.write(part);
    await expect.poll(() => connection.pending().length).toBe(100);
    await signOut(fixture);
    expect(await rest()).toEqual(part);
  });

  it('reaches a browser that reads slowly', async () => {
    const message = frame('w'.repeat(60_000));
    connection.socket.pause();
    for (let sent = 0; sent < 100; sent += 1) upstreamSocket.write(message);
    await expect.poll(() => upstreamSocket.writableLength).toBe(0);
    await signOut(fixture);
    connection.socket.resume();
    const seen = await rest();
    expect(seen.subarray(-4)).toEqual(CLOSE_1008);
    expect((seen.length - 4) % message.length).toBe(0);
  });
});

it('a WebSocket never opens when its session ends before the upstream accepts the upgrade', async () => {
  const gate = Promise.withResolvers<void>();
  const raw = await startRawUpstream(async (socket, head) => {
    await head;
    await gate.promise;
    socket.write(`${SWITCHING}\r\n`);
  });
  fixture = await openFixture({ routes: [{ path: '/raw', upstream: raw.url, websocket: true }] });
  const connection = await fixture.open();
  connection.write(fixture.head('GET /raw/live HTTP/1.1', `Origin: ${fixture.gateway.url}`, ...UPGRADE));
  await expect.poll(() => raw.received.length).toBe(1);
  await signOut(fixture);
  expect((await connection.readResponse()).status).toBe(401);
  gate.resolve();
  await connection.ended;
  expect(connection.pending().length).toBe(0);
  connection.close();
  await raw.close();
});
