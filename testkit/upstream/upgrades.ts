import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type HeaderList, headerListOf, valueOf } from '../network/header-list.ts';

/** An upgrade request to the upstream. */
export type UpgradeRequest = {
  readonly target: string;
  readonly headers: HeaderList;
  header(name: string): string | undefined;
};

/** The response to a rejected upgrade. */
export type UpgradeRefusal = { readonly status: number; readonly headers: Record<string, string> };

/** The WebSocket side of the upstream. */
export type Upgrades = {
  readonly requests: UpgradeRequest[];
  readonly webSockets: WebSocket[];
  /** Handles each accepted socket; by default it echoes. */
  onWebSocket(handler: (socket: WebSocket) => void): void;
  /** Rejects with this status from now on, or accepts when undefined. */
  reject(status: number | undefined, challenge?: string): void;
  /** Rejects the requests for which this gives a response, which closes the connection. */
  rejectIf(decide: (request: UpgradeRequest) => Promise<UpgradeRefusal | undefined>): void;
  readonly handle: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
};

/** Accepts every upgrade to WebSocket, and echoes. */
export function createUpgrades(): Upgrades {
  const requests: UpgradeRequest[] = [];
  const webSockets: WebSocket[] = [];
  const server = new WebSocketServer({ noServer: true });
  let decide: (request: UpgradeRequest) => Promise<UpgradeRefusal | undefined> = async () => undefined;
  let attend = echoMessages;

  return {
    requests,
    webSockets,
    onWebSocket: (handler) => {
      attend = handler;
    },
    reject: (status, challenge) => {
      const headers = challenge === undefined ? {} : { 'WWW-Authenticate': challenge };
      decide = async () => (status === undefined ? undefined : { status, headers });
    },
    rejectIf: (next) => {
      decide = next;
    },
    handle: (request, socket, head) => {
      const headers = headerListOf(request.rawHeaders);
      socket.on('error', () => {});
      const record = { target: request.url ?? '', headers, header: (name: string) => valueOf(headers, name) };
      requests.push(record);
      void decide(record).then((refusal) => {
        if (refusal !== undefined) return respond(socket, refusal);
        server.handleUpgrade(request, socket, head, (webSocket) => {
          webSocket.on('error', () => {});
          webSockets.push(webSocket);
          attend(webSocket);
        });
      });
    },
  };
}

function respond(socket: Duplex, { status, headers }: UpgradeRefusal): void {
  const fields = Object.entries({ ...headers, Connection: 'close', 'Content-Length': '0' });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines}\r\n`);
}

function echoMessages(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}
