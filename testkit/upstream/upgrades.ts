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

/** The WebSocket side of the upstream. */
export type Upgrades = {
  readonly requests: UpgradeRequest[];
  readonly webSockets: WebSocket[];
  /** Handles each accepted socket; by default it echoes. */
  onWebSocket(handler: (socket: WebSocket) => void): void;
  /** Rejects with this status from now on, or accepts when undefined. */
  reject(status: number | undefined, challenge?: string): void;
  readonly handle: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
};

/** Accepts every upgrade to WebSocket, and echoes. */
export function createUpgrades(): Upgrades {
  const requests: UpgradeRequest[] = [];
  const webSockets: WebSocket[] = [];
  const server = new WebSocketServer({ noServer: true });
  let rejection: { status: number; challenge: string | undefined } | undefined;
  let attend = echoMessages;

  return {
    requests,
    webSockets,
    onWebSocket: (handler) => {
      attend = handler;
    },
    reject: (status, challenge) => {
      rejection = status === undefined ? undefined : { status, challenge };
    },
    handle: (request, socket, head) => {
      const headers = headerListOf(request.rawHeaders);
      socket.on('error', () => {});
      requests.push({ target: request.url ?? '', headers, header: (name) => valueOf(headers, name) });
      if (rejection !== undefined) {
        const { status, challenge } = rejection;
        const field = challenge === undefined ? '' : `WWW-Authenticate: ${challenge}\r\n`;
        const fields = `${field}Connection: close\r\nContent-Length: 0\r\n`;
        socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}\r\n`);
        return;
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('error', () => {});
        webSockets.push(webSocket);
        attend(webSocket);
      });
    },
  };
}

function echoMessages(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}
