import type { Socket } from 'node:net';

/**
 * How long a client may read none of the final data, and then how long it may keep its own side of the connection open,
 * in milliseconds.
 */
const LINGER_MS = 5_000;

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
