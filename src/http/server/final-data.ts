import type { Socket } from 'node:net';

/**
 * How long a client may take no byte of what is still to go out to it, and how long it may then leave its own side open, in
 * milliseconds.
 */
const LINGER_MS = 5_000;

/**
 * Ends the connection of an upgrade, which no server follows any more: what has been written goes out, and what still comes
 * is read and thrown away, since a connection that is closed with bytes unread is reset (RFC 9112, section 9.6).
 */
export function endSocket(socket: Socket, lastWords: string | Buffer = ''): void {
  if (socket.destroyed) return;
  // SECURITY: such sockets may stay half open for ever, and a client that does not close its side would keep this one.
  socket.setTimeout(LINGER_MS, () => socket.destroy());
  socket.resume();
  socket.end(lastWords, () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  });
}
