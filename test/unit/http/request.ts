import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/** What of a request matters to the part under test. */
type Given = {
  method?: string;
  url?: string;
  /** As they stood in the request, in any case. A name that comes twice is joined as Node joins it. */
  headers?: readonly (readonly [string, string])[];
  /** The address of the peer. */
  peer?: string;
};

/** Makes a request as Node's server would, without a connection. */
export function requestOf({
  method = 'GET',
  url = '/',
  headers = [],
  peer = '203.0.113.9',
}: Given): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
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
