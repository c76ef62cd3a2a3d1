import type { IncomingHttpHeaders, Server } from 'node:http';
import type { Socket } from 'node:net';
import { trimWhitespace } from '../../fields/whitespace.ts';
import type { Problem } from '../problem/problem.ts';
import type { Connections } from './connections.ts';
import { endSocket } from './lingering-close.ts';

/** A request that Node.js could not parse. */
export type UnreadableRequest = {
  readonly socket: Socket;
  /** Those fields that were readable. */
  readonly headers: IncomingHttpHeaders;
  /** Whether its head is larger than the server accepts; any other is not valid HTTP. */
  readonly isTooLarge: boolean;
};

/** Logs and counts a request that Node.js could not parse, and builds the response to it. */
export type UnreadableRequests = (request: UnreadableRequest) => Problem;

/** The status lines of Node.js (24) for requests that it cannot read; 400 for any other. */
const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

type ClientError = Error & { code?: string; rawPacket?: Buffer };

/**
 * Responds to requests that Node.js cannot parse, as to any that the gateway rejects. A request whose head was readable, and a
 * connection that brings none in time, get the empty response of Node.js: browsers open some connections ahead of use.
 *
 * SECURITY: neither is written where the client would take it for the response to another request.
 */
export function respondToClientErrors(
  server: Server,
  connections: Pick<Connections, 'nextResponse'>,
  unreadableRequests: UnreadableRequests,
): void {
  const ending = new WeakSet<Socket>();
  server.on('clientError', ({ code = '', rawPacket }: ClientError, socket: Socket) => {
    // The rest of the request, which is read and discarded, cannot be parsed either.
    if (ending.has(socket)) return;
    const head = `HTTP/1.1 ${statusLines[code] ?? '400 Bad Request'}\r\nConnection: close\r\n`;
    const next = socket.writable ? connections.nextResponse(socket) : 'of_other_request';
    if (code.startsWith('HPE_') && next === 'of_new_request') {
      ending.add(socket);
      const isTooLarge = code === 'HPE_HEADER_OVERFLOW';
      const { headers, body } = unreadableRequests({ socket, headers: readFields(rawPacket), isTooLarge });
      const fields = Object.entries({ ...headers, 'content-length': Buffer.byteLength(body) });
      endSocket(
        socket,
        `${head}${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
      );
      return;
    }
    if (next !== 'of_other_request') socket.write(`${head}\r\n`);
    socket.destroy();
  });
}

/** The fields that tell a navigation, as far as they are in the packet that could not be parsed. */
function readFields(packet: Buffer | undefined): IncomingHttpHeaders {
  const fields = [...(packet?.toString('latin1') ?? '').matchAll(/^(accept|sec-fetch-mode):(.*)$/gim)];
  return Object.fromEntries(
    fields.map(([, name = '', value = '']) => [name.toLowerCase(), trimWhitespace(value)]),
  );
}
