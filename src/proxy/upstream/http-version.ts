import type { Socket } from 'node:net';
import { invalidResponse } from './response-head.ts';

/** `HTTP/1.`: everything of a status line that this module looks at. */
const PREFIX_BYTES = 7;

/**
 * Ends a connection whose first response claims a version of HTTP other than 1.x. undici 8 accepts one, and does not tell
 * which it was. Looks at the first bytes of a connection only, so that a request on a kept connection costs nothing.
 */
export function refuseOtherVersions(socket: Socket): void {
  const read = socket.read.bind(socket);
  let start = '';
  socket.read = (size) => {
    const chunk: unknown = read(size);
    if (!Buffer.isBuffer(chunk)) return chunk;
    start += chunk.toString('latin1', 0, PREFIX_BYTES - start.length);
    if (start.length < PREFIX_BYTES) return chunk;
    socket.read = read;
    if (!start.startsWith('HTTP/') || start === 'HTTP/1.') return chunk;
    socket.destroy(invalidResponse(`its version is ${start}`));
    return null;
  };
}
