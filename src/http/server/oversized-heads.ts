import type { IncomingHttpHeaders, Server } from 'node:http';
import type { Socket } from 'node:net';
import { trimWhitespace } from '../../fields/whitespace.ts';
import type { OversizedHead } from '../problem/oversized-head.ts';
import type { Connections } from './connections.ts';
import { endSocket } from './lingering-close.ts';

/** The responses of Node.js (24) to requests that it cannot read; 400 to any other. */
const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

type ClientError = Error & { code?: string; rawPacket?: Buffer };

/**
 * Responds to a request whose head is too large: a browser sends one when the cookies of its site have become too large, and its
 * user has to learn that. Any other request that cannot be read gets the empty response of Node.js.
 *
 * SECURITY: neither is written where the client would take it for the response to another request.
 */
export function respondToOversizedHeads(
  server: Server,
  connections: Pick<Connections, 'nextResponse'>,
  respond: OversizedHead,
): void {
  const ending = new WeakSet<Socket>();
  server.on('clientError', ({ code = '', rawPacket }: ClientError, socket: Socket) => {
    // The rest of the head, which is read and discarded, cannot be read either.
    if (ending.has(socket)) return;
    const head = `HTTP/1.1 ${statusLines[code] ?? '400 Bad Request'}\r\nConnection: close\r\n`;
    const next = socket.writable ? connections.nextResponse(socket) : 'of_other_request';
    if (code === 'HPE_HEADER_OVERFLOW' && next === 'of_new_request') {
      ending.add(socket);
      const { headers, body } = respond(readFields(rawPacket));
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

/** The fields that tell a navigation, as far as they are in the part of the head that did not fit any more. */
function readFields(packet: Buffer | undefined): IncomingHttpHeaders {
  const fields = [...(packet?.toString('latin1') ?? '').matchAll(/^(accept|sec-fetch-mode):(.*)$/gim)];
  return Object.fromEntries(
    fields.map(([, name = '', value = '']) => [name.toLowerCase(), trimWhitespace(value)]),
  );
}
