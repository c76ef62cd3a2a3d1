import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import { type SentHeaders, type Transport, definedHeaders } from './transport.ts';

/** A WebSocket of a page. */
export type AgentWebSocket = {
  readonly protocol: string;
  send(data: string | Buffer): void;
  /** Returns the next unread message; text as a string. */
  next(): Promise<string | Buffer>;
  close(code?: number, reason?: string): void;
  /** Resolves when either side has closed the socket. */
  readonly closed: Promise<{ code: number; reason: string }>;
};

/** The response to the upgrade was not 101. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`the upgrade got status ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}

/**
 * Opens a WebSocket.
 *
 * @throws UpgradeRefused when the response is not 101, or the error of the connection.
 */
export async function openWebSocket(
  transport: Transport,
  url: URL,
  protocols: readonly string[],
  headers: SentHeaders,
): Promise<AgentWebSocket> {
  const { host, port } = transport.addressOf(url);
  const target = `ws://${host}:${port}${url.pathname}${url.search}`;
  const socket = new WebSocket(target, [...protocols], {
    headers: { host: url.host, ...definedHeaders(headers) },
  });

  const taken: (string | Buffer)[] = [];
  const waiting: ((message: string | Buffer) => void)[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    const message = isBinary ? data : data.toString();
    transport.record(url.origin, data.toString('latin1'));
    const receive = waiting.shift();
    if (receive) receive(message);
    else taken.push(message);
  });
  socket.on('upgrade', ({ rawHeaders }) => transport.record(url.origin, rawHeaders.join('\r\n')));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => {
      transport.record(url.origin, reason.toString());
      resolve({ code, reason: reason.toString() });
    });
  });

  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.on('error', reject);
    socket.once('unexpected-response', (request, response: IncomingMessage) => {
      void text(response).then((body) => {
        transport.record(url.origin, `${response.rawHeaders.join('\r\n')}\r\n${body}`);
        reject(new UpgradeRefused(response.statusCode ?? 0, body));
        request.destroy();
      }, reject);
    });
  });

  return {
    protocol: socket.protocol,
    send: (data) => socket.send(data),
    next: () => {
      const message = taken.shift();
      return message === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(message);
    },
    close: (code, reason) => socket.close(code, reason),
    closed,
  };
}
