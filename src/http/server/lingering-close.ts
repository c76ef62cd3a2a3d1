import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How long a client may continue to send an unwanted body, read none of the final data, or keep its own side of the
 * connection open after it, in milliseconds.
 */
const LINGER_MS = 5_000;

/** True while the client has a body, or the rest of one, still to send. */
export function isSending({ complete, destroyed, headers }: IncomingMessage): boolean {
  if (complete || destroyed) return false;
  const coding = headers['transfer-encoding'];
  // Nothing here can find the end of a body in any other coding, so there is nothing to wait for.
  return coding === undefined
    ? (headers['content-length'] ?? '0') !== '0'
    : coding.toLowerCase() === 'chunked';
}

/**
 * Reads and discards, for a limited time, what a client sends after its response. Closing a connection with unread bytes
 * resets it, and a reset may cost the client the response (RFC 9112, section 9.6).
 */
export function linger(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
  request.resume();
}

/**
 * Ends an upgrade's connection, which the HTTP server no longer manages. Sends everything written so far, then reads and
 * discards what the client still sends: closing a connection with unread bytes resets it (RFC 9112, section 9.6).
 */
export function endSocket(socket: Socket, finalData: string | Buffer = ''): void {
  if (socket.destroyed) return;
  // SECURITY: such a socket may stay half open for ever if the client does not close its side.
  socket.setTimeout(LINGER_MS, () => socket.destroy());
  socket.resume();
  socket.end(finalData, () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  });
}
