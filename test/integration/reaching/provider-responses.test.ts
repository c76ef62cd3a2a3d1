import { createServer, type Server } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Agent } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { callProvider, type ProviderRequest } from '../../../src/provider/http/call.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';

const TEXT = JSON.stringify({ access_token: 'canary-ä-token' });

/** Calls a server on the loopback. */
async function callServer(
  server: Server | ReturnType<typeof createRawServer>,
  differs: Partial<ProviderRequest> = {},
) {
  const loopback = await listenOnLoopback(server);
  const agent = new Agent();
  onTestFinished(async () => {
    await agent.destroy();
    await loopback.stop();
  });
  const url = `http://127.0.0.1:${loopback.port}/token?tenant=1`;
  const request = {
    url,
    method: 'POST',
    headers: {},
    body: 'a=b',
    signal: undefined,
    beforeSend: () => undefined,
  };
  return callProvider(agent, { ...request, ...differs });
}

it.each([
  ['gzip', gzipSync(TEXT)],
  ['x-gzip', gzipSync(TEXT)],
  ['deflate', deflateSync(TEXT)],
  ['deflate', deflateRawSync(TEXT)],
  ['br', brotliCompressSync(TEXT)],
  ['zstd', zstdCompressSync(TEXT)],
  ['UTF-8', Buffer.from(TEXT)],
  ['gzip, br', brotliCompressSync(gzipSync(TEXT))],
  ['identity', Buffer.from(TEXT)],
  ['gzip, identity', gzipSync(TEXT)],
  ['gzip,', gzipSync(TEXT)],
  ['gzip, utf-8', gzipSync(TEXT)],
])('reads a response that the provider has compressed with %s', async (coding, bytes) => {
  const server = createServer((_, response) =>
    response.writeHead(200, { 'Content-Encoding': coding }).end(bytes),
  );
  const { status, text, headers } = await callServer(server);
  expect({ status, text }).toEqual({ status: 200, text: TEXT });
  expect(headers.map(([name]) => name)).not.toContain('content-encoding');
});

it('does not undo more content codings than a provider applies', async () => {
  const coding = Array.from({ length: 100 }, () => 'identity, gzip').join(', ');
  const server = createServer((_, response) =>
    response.writeHead(200, { 'Content-Encoding': coding }).end(gzipSync(TEXT)),
  );
  await expect(callServer(server)).rejects.toThrow('too many content codings');
});

it.each(['HEAD', 'POST'] as const)(
  'reads a response to %s without a body whose headers name a coding',
  async (method) => {
    const server = createServer((_, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(),
    );
    expect(await callServer(server, { method, body: null })).toMatchObject({ status: 200, text: '' });
  },
);

it('sends the query, the body, and a name of its own where the caller gives none', async () => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    seen.push(request.method, request.url, request.headers['user-agent']);
    request.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    request.on('end', () => response.end());
  });
  await callServer(server);
  expect(seen).toEqual(['POST', '/token?tenant=1', 'coatcheck', 'a=b']);
});

it('waits for the response that follows an informational one', async () => {
  const server = createRawServer((socket) =>
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}',
      ),
    ),
  );
  expect(await callServer(server)).toMatchObject({ status: 200, text: '{}' });
});

it.each([
  [
    'that is longer than 1 MiB',
    { bytes: Buffer.alloc(1_048_577, 'x'), coding: 'identity', message: 'longer than' },
  ],
  [
    'that is longer than 1 MiB once it is decompressed',
    { bytes: gzipSync(Buffer.alloc(1_048_577)), coding: 'gzip', message: 'larger than' },
  ],
  [
    'that is not what its Content-Encoding says',
    { bytes: Buffer.from('{}'), coding: 'gzip', message: 'header' },
  ],
  [
    'with a content coding that nobody knows',
    { bytes: Buffer.of(0xff, 0x00), coding: 'x-own', message: 'unknown content coding' },
  ],
])('rejects a response %s', async (_, { bytes, coding, message }) => {
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'Content-Encoding': coding }).end(bytes),
  );
  await expect(callServer(server)).rejects.toThrow(message);
});

it('sends nothing when the caller objects once there is a connection', async () => {
  let requests = 0;
  const server = createServer(() => void (requests += 1));
  const beforeSend = () => {
    throw new Error('the lock has expired');
  };
  await expect(callServer(server, { beforeSend })).rejects.toThrow('the lock has expired');
  expect(requests).toBe(0);
});

it('rejects with the reason of its signal, also when that was aborted before', async () => {
  const reason = new Error('the deadline');
  const server = createServer(() => undefined);
  await expect(callServer(server, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
