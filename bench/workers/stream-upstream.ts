import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { serveWorker } from '../worker-process.ts';

export type StreamUpstreamShape = { ready: { port: number }; commands: Record<string, never> };

const BLOCK = Buffer.alloc(65_536, 'y');

/** An API with large bodies and WebSockets: it sends the bytes of `GET /api/download/BYTES`, and counts those of a POST. */
const server = createServer({ requestTimeout: 0 }, (request, response) => {
  response.on('error', () => response.destroy());
  if (request.method === 'GET')
    return void send(response, Number(request.url?.split('/').at(-1))).catch(() => response.destroy());
  let received = 0;
  request.on('data', (chunk: Buffer) => (received += chunk.length));
  request.on('end', () => response.end(String(received)));
});
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
server.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, () => undefined),
);

async function send(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes });
  for (let left = bytes; left > 0 && !response.destroyed; left -= BLOCK.length) {
    if (!response.write(BLOCK.subarray(0, Math.min(left, BLOCK.length)))) await once(response, 'drain');
  }
  response.end();
}

const { port } = await listenOnLoopback(server);
serveWorker({ port }, {});
