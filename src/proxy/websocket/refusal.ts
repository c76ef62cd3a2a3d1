import { ServerResponse, STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket } from '../../http/server/lingering-close.ts';

/** Accepts an upgrade, with these fields as a flat list of names and values. */
export function switchProtocols(socket: Socket, fields: readonly string[]): void {
  socket.write(writeHead(101, fields), 'latin1');
}

/** Responds to an upgrade that is not accepted, and ends its socket. */
export function respondOnSocket(
  socket: Socket,
  problem: { status: number; headers: Record<string, string>; body: string },
): void {
  if (socket.destroyed) return;
  const fields = Object.entries({
    ...problem.headers,
    Connection: 'close',
    'Content-Length': String(Buffer.byteLength(problem.body)),
  });
  endSocket(socket, writeHead(problem.status, fields.flat()) + problem.body);
}

/**
 * Passes on the response of an upstream in place of a 101, and ends the socket with it. One that is cut short, or stalls for
 * `idleMs` in either direction, is aborted; 0 is no limit.
 */
export function passResponse(
  upstream: { status: number; fields: string[]; body: IncomingMessage },
  { request, socket, idleMs }: { request: IncomingMessage; socket: Socket; idleMs: number },
): void {
  const { status, fields, body } = upstream;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.writeHead(status, fields);
  response.once('finish', () => {
    response.detachSocket(socket);
    endSocket(socket);
  });
  socket.setTimeout(idleMs, () => socket.destroy());
  // The HTTP server no longer does this for an upgraded socket.
  socket.on('drain', () => response.emit('drain'));
  socket.once('close', () => body.destroy());
  body.once('error', () => socket.destroy());
  body.pipe(response);
}

function writeHead(status: number, fields: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let at = 0; at + 1 < fields.length; at += 2) head += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return `${head}\r\n`;
}
