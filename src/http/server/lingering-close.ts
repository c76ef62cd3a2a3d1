import type { IncomingMessage } from 'node:http';

/** How long a client may go on sending a body that nobody wants any more, in milliseconds. */
const LINGER_MS = 5_000;

/** Tells whether a client is still to send a body, or the rest of it. */
export function isSending({ complete, destroyed, headers }: IncomingMessage): boolean {
  if (complete || destroyed) return false;
  const coding = headers['transfer-encoding'];
  // A body in a coding that is not read here has no end that could be waited for.
  return coding === undefined
    ? (headers['content-length'] ?? '0') !== '0'
    : coding.toLowerCase() === 'chunked';
}

/**
 * Reads what a client still sends after its answer and throws it away, for a while. A connection that is closed with
 * bytes unread is reset, and a client that is met by a reset may lose the answer (RFC 9112, section 9.6).
 */
export function linger(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
  request.resume();
}
