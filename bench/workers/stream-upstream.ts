import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';
import { serveWorker } from '../worker-process.ts';
import { RESPONSE_BODY } from '../workload.ts';
import { listen } from './listen.ts';

export type StreamUpstreamShape = {
  ready: { port: number };
  commands: {
    /** Sends an event over every open event stream, with the time it was sent, in milliseconds since the epoch. */
    emit(): void;
    /** The bytes of each download that the system accepted since the last call, in order of start. */
    sentBytes(): number[];
  };
};

const BLOCK = Buffer.alloc(65_536, 'y');

/** A streaming API: `/api/download/BYTES`, `/api/upload`, `/api/events`, WebSockets, and short responses on other paths. */
const streams = new Set<ServerResponse>();
const downloads: IncomingMessage['socket'][] = [];

const server = createServer({ requestTimeout: 0 }, (request, response) => {
  response.on('error', () => response.destroy());
  answer(request, response).catch(() => response.destroy());
});
server.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, () => undefined),
);
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, , kind = '', bytes] = (request.url ?? '').split('/');
  switch (kind) {
    case 'download':
      downloads.push(request.socket);
      return send(response, Number(bytes));
    case 'upload':
      return receive(request, response);
    case 'events':
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      // http-proxy-middleware forwards the response head only with the first bytes of the body.
      response.write(': welcome\n\n');
      streams.add(response);
      response.once('close', () => streams.delete(response));
      return undefined;
    default:
      request.resume();
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': RESPONSE_BODY.length });
      response.end(RESPONSE_BODY);
  }
}

async function send(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes });
  for (let left = bytes; left > 0 && !response.destroyed; left -= BLOCK.length) {
    if (!response.write(BLOCK.subarray(0, Math.min(left, BLOCK.length)))) await once(response, 'drain');
  }
  response.end();
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let received = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) received += chunk.length;
  const text = String(received);
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': text.length });
  response.end(text);
}

serveWorker({ port: await listen(server) }, {
  emit: () => {
    for (const response of streams) response.write(`data: ${Date.now()}\n\n`);
  },
  sentBytes: () => downloads.splice(0).map((socket) => socket.bytesWritten - socket.writableLength),
} satisfies StreamUpstreamShape['commands']);
