import type { Socket } from 'node:net';

/** How much a browser may send before it has a response, in bytes. It should send nothing (RFC 6455, section 4.1). */
const MAX_EARLY_BYTES = 65_536;

/**
 * Waits for something before an upgrade has its response, and destroys the browser's socket at once when the browser leaves or
 * sends too much meanwhile. What else it sends stays to be read.
 *
 * SECURITY: an unread socket reports no end. Its upgrade would hold its slot, and the upstream's connection, until a timeout.
 */
export async function whileWaiting<T>(socket: Socket, waitFor: () => Promise<T>): Promise<T> {
  const received: Buffer[] = [];
  let receivedBytes = 0;
  const leave = () => void socket.destroy();
  const keep = (chunk: Buffer) => {
    received.push(chunk);
    receivedBytes += chunk.length;
    if (receivedBytes > MAX_EARLY_BYTES) leave();
  };
  socket.once('end', leave).on('data', keep).resume();
  try {
    return await waitFor();
  } finally {
    socket.off('end', leave).off('data', keep).pause();
    if (!socket.destroyed && received.length > 0) socket.unshift(Buffer.concat(received));
  }
}
