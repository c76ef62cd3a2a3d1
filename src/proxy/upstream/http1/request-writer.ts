import type { Socket } from 'node:net';
import { sendStream, type BodyEvents, type BodyStream } from './body-stream.ts';
import type { OutgoingRequest } from './exchange.ts';
import { expectsBody, startOf } from './request-text.ts';

/** The largest body that is copied to be written together with its head. */
const MAX_JOINED_BYTES = 4_096;

/** True if the connection may be used again after this request. */
export function mayReuseAfter({ method, body, reset }: OutgoingRequest): boolean {
  // SECURITY: some servers send a body in response to HEAD, and some leave that of a GET unread: they would take the rest of it
  // for the next request.
  return !reset && method !== 'HEAD' && (!hasContent(body) || expectsBody(method));
}

/** Writes a request: at once, or, when it returns a stream, as its body arrives. Throws for one that cannot be sent. */
export function sendRequest(
  socket: Socket,
  request: OutgoingRequest,
  events: BodyEvents,
): BodyStream | undefined {
  const { method, body } = request;
  const { text, contentLength } = startOf(request, mayReuseAfter(request) ? 'keep-alive' : 'close');
  if (!hasContent(body)) {
    socket.write(`${text}${expectsBody(method) ? 'Content-Length: 0\r\n' : ''}\r\n`, 'latin1');
    return undefined;
  }
  if (Buffer.isBuffer(body)) {
    sendWhole(socket, `${text}Content-Length: ${body.length}\r\n\r\n`, body);
    return undefined;
  }
  const framing =
    contentLength === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${contentLength}`;
  return sendStream(socket, `${text}${framing}\r\n\r\n`, body, contentLength, events);
}

function hasContent<Body extends OutgoingRequest['body']>(body: Body): body is NonNullable<Body> {
  return body !== null && !(Buffer.isBuffer(body) && body.length === 0);
}

/** One string is one piece for the socket; a string and a buffer are two, whose write costs more. */
function sendWhole(socket: Socket, head: string, body: Buffer): void {
  if (body.length <= MAX_JOINED_BYTES) return void socket.write(head + body.toString('latin1'), 'latin1');
  socket.cork();
  socket.write(head, 'latin1');
  socket.write(body);
  socket.uncork();
}
