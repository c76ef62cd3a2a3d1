import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ChildProcess, startChildProcess } from '../../../../testkit/processes/child-process.ts';
import { type FakeProvider, startFakeProvider } from '../../../../testkit/fake-provider/fake-provider.ts';
import { freePort } from '../../../../testkit/network/free-port.ts';
import { gatewayConfig } from '../../../../testkit/gateway/gateway-config.ts';
import { type RawConnection, openRaw } from '../../../../testkit/network/raw-client.ts';
import { type Upstream, startUpstream } from '../../../../testkit/upstream/upstream.ts';
import { largeBody } from '../../../../testkit/upstream/streams.ts';
import { createUserAgent } from '../../../../testkit/user-agent/user-agent.ts';
import { type Fixture, headsOf } from '../fixture.ts';

const MEGABYTE = 1024 * 1024;
const SIZE = 200 * MEGABYTE;
const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
const block = Buffer.alloc(256 * 1024, 'y');

let provider: FakeProvider;
let upstream: Upstream;
/** In a separate process, whose memory contains neither end of the connections. */
let program: ChildProcess;
let folder: string;
let port: number;
let adminUrl: string;
let head: Fixture['head'];

beforeAll(async () => {
  [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
  port = await freePort();
  const host = `127.0.0.1:${port}`;
  const routes = [
    { path: '/large', upstream: upstream.url, maxBody: '0' },
    { path: '/socket', upstream: upstream.url, websocket: true, maxConcurrent: 0 },
  ];
  const config = gatewayConfig(
    { provider, upstream, config: { routes, log: { level: 'info' } } },
    `http://${host}`,
    host,
  );
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-memory-'));
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(config));
  const main = fileURLToPath(new URL('../../../../src/main.ts', import.meta.url));
  program = startChildProcess(process.execPath, [main, '--config', join(folder, 'config.yaml')]);
  adminUrl = await program.waitForOutput((text) => /"url":"([^"]+)","msg":"admin listening"/.exec(text)?.[1]);
  await program.waitForOutput((text) => (text.includes('gateway listening') ? true : undefined));

  const agent = createUserAgent(`http://${host}`);
  await agent.signIn('/');
  const ticket = agent.cookies.header(new URL(`http://${host}`), { crossSite: false, topLevelGet: true });
  agent.close();
  head = headsOf(host, ticket ?? '');
  // The memory for the first large body does not count as growth.
  await upload(SIZE);
});

beforeEach(() => {
  upstream.requests.length = 0;
});

afterAll(async () => {
  await program.terminate();
  await Promise.all([provider.close(), upstream.close(), rm(folder, { recursive: true })]);
});

it('a large request body is forwarded completely with bounded memory (standards: F22)', async () => {
  expect(await growthWhile(() => upload(SIZE))).toBeLessThan(SIZE / 2);
  const hash = createHash('sha256');
  for (const each of blocks(SIZE)) hash.update(each);
  expect(upstream.requests).toMatchObject([{ bodyBytes: SIZE, bodySha256: hash.digest('hex') }]);
});

it('a large response body is forwarded completely with bounded memory (standards: F22)', async () => {
  const large = largeBody(SIZE);
  upstream.respond(large.behaviour);
  const hash = createHash('sha256');
  const expected = createHash('sha256');
  const piece = Buffer.alloc(MEGABYTE, 'x');
  for (let at = 0; at < SIZE; at += MEGABYTE) expected.update(piece);

  const growth = await growthWhile(async () => {
    const connection = await openRaw(port);
    connection.write(head('GET /large/one HTTP/1.1'));
    await connection.readUntil('\r\n\r\n');
    connection.socket.pause();
    const early = connection.pending();
    hash.update(early);
    let received = early.length;
    connection.socket.removeAllListeners('data');
    for await (const chunk of connection.socket as AsyncIterable<Buffer>) {
      hash.update(chunk);
      received += chunk.length;
      if (received >= SIZE) break;
    }
    expect(received).toBe(SIZE);
  });
  expect(hash.digest('hex')).toBe(expected.digest('hex'));
  expect(growth).toBeLessThan(SIZE / 2);
});

it('an idle WebSocket uses at most 30 kB of memory', async () => {
  const count = 1_500;
  for (const connection of await openSockets(200)) connection.close();
  const before = await residentBytes();
  const connections = await openSockets(count);
  expect(((await residentBytes()) - before) / count).toBeLessThan(30_000);
  for (const connection of connections) connection.close();
});

it('40,000 pipelined requests on one connection use bounded memory and delay nobody (standards: F22)', async () => {
  const gate = Promise.withResolvers<void>();
  upstream.respond(async (request, response) => {
    if (request.url?.includes('slow')) await gate.promise;
    response.end('done');
  });
  const growth = await growthWhile(async () => {
    const connection = await openRaw(port);
    const requests = Buffer.from(head('GET /large/slow HTTP/1.1').repeat(40_000));
    connection.write(requests);
    await connection.ended;
    const other = await openRaw(port);
    other.write(head('GET /large/quick HTTP/1.1'));
    expect((await other.readResponse()).status).toBe(200);
    other.close();
    connection.close();
  });
  gate.resolve();
  expect(growth).toBeLessThan(48 * MEGABYTE);
  expect(upstream.requests.length).toBeLessThanOrEqual(32 + 1);
});

/** Opens WebSockets, some at once. */
async function openSockets(count: number): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  const openAll = async () => {
    while (connections.length < count) {
      const connection = await openRaw(port);
      connections.push(connection);
      connection.write(head('GET /socket/idle HTTP/1.1', `Origin: http://127.0.0.1:${port}`, ...UPGRADE));
      expect((await connection.readResponse()).status).toBe(101);
    }
  };
  await Promise.all(Array.from({ length: 20 }, openAll));
  return connections;
}

function* blocks(size: number) {
  for (let sent = 0; sent < size; sent += block.length) yield block;
}

async function upload(size: number): Promise<void> {
  const connection = await openRaw(port, { timeoutMs: 20_000 });
  connection.write(head('POST /large/one HTTP/1.1', `Content-Length: ${size}`));
  await pipeline(blocks(size), connection.socket, { end: false });
  expect((await connection.readResponse('POST')).status).toBe(200);
  connection.close();
}

/** The growth of the program's memory meanwhile: the maximum of many samples. */
async function growthWhile(action: () => Promise<void>): Promise<number> {
  const before = await residentBytes();
  let largest = before;
  let done = false;
  const watching = (async () => {
    while (!done) largest = Math.max(largest, await residentBytes());
  })();
  try {
    await action();
  } finally {
    done = true;
    await watching;
  }
  return largest - before;
}

async function residentBytes(): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const bytes = /^process_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1];
  return Number(bytes);
}
