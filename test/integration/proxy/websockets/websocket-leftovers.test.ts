import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { type RawConnection, openRaw } from '../../../../testkit/network/raw-client.ts';
import { type RawUpstream, startRawUpstream } from '../../../../testkit/network/raw-upstream.ts';
import { type Fixture, openFixture } from '../fixture.ts';

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const MASKED_FRAME = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
const CLOSE_FRAME = Buffer.from([0x88, 2, 0x03, 0xe8]);

let fixture: Fixture;
let raw: RawUpstream;

beforeAll(async () => {
  raw = await startRawUpstream(async (socket, head) => {
    const [, what] = /^GET \/raw\/(\S+)/.exec(await head) ?? [];
    if (what === 'refusing') socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    else socket.write(SWITCHING);
    if (what === 'ending') socket.end(CLOSE_FRAME);
  });
  fixture = await openFixture({ routes: [{ path: '/raw', upstream: raw.url, websocket: true }] });
});

afterAll(async () => {
  await fixture.close();
  await raw.close();
});

/** Clients that keep their connection open after the response, each in another way. */
const habits: [string, (connection: RawConnection) => void][] = [
  ['never closes its side', () => undefined],
  [
    'keeps sending',
    (connection) => {
      const timer = setInterval(() => connection.write(MASKED_FRAME), 50);
      connection.socket.once('close', () => clearInterval(timer));
    },
  ],
  [
    'sends one more frame and closes its side',
    (connection) => {
      connection.write(MASKED_FRAME);
      connection.end();
    },
  ],
];

/** Requests an upgrade at a server that counts its open connections, and waits until there are none. */
async function leaveNothing(path: string, status: number) {
  const { app, upgrade } = fixture.gateway.gateway;
  const server = createServer(app).on('upgrade', (request, socket: Socket, head) =>
    upgrade(request, socket, head),
  );
  const listener = await listenOnLoopback(server);
  const open = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    );
  const clients = await Promise.all(
    habits.map(async ([, stay]) => {
      const client = await openRaw(listener.port);
      client.write(fixture.head(`GET ${path} HTTP/1.1`, `Origin: ${fixture.gateway.url}`, ...UPGRADE));
      expect((await client.readResponse()).status).toBe(status);
      await client.ended;
      stay(client);
      return client;
    }),
  );
  await expect.poll(open, { timeout: 20_000, interval: 100 }).toBe(0);
  for (const client of clients) client.close();
  await listener.stop();
}

describe(`no connection stays open for a client that ${habits.map(([name]) => name).join(', or ')},`, () => {
  it.concurrent.each([
    ['when the gateway rejects its upgrade', '/nothing', 404],
    ['when the upstream rejects its upgrade', '/raw/refusing', 403],
    ['when the upstream ends its WebSocket', '/raw/ending', 101],
  ])('%s (standards: F22)', (_when, path, status) => leaveNothing(path, status));
});
