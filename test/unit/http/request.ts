import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/** The parts of a request that matter to the tested module. */
type Given = {
  method?: string;
  url?: string;
  /** The header fields of the request. Repeated names are joined as Node joins them. */
  headers?: readonly (readonly [string, string])[];
  /** The address of the peer; null when it has none. */
  peer?: string | null;
};

/** Creates a request like Node's server, without a connection. */
export function requestOf({
  method = 'GET',
  url = '/',
  headers = [],
  peer = '203.0.113.9',
}: Given): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer ?? undefined });
  const request = new IncomingMessage(socket);
  request.httpVersion = '1.1';
  request.method = method;
  request.url = url;
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const before = request.headers[lower];
    request.rawHeaders.push(name, value);
    // Node keeps the first of some fields and joins the others.
    if (before === undefined) request.headers[lower] = value;
    else if (lower !== 'host') request.headers[lower] = `${String(before)}, ${value}`;
  }
  return request;
}
