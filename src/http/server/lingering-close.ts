import type { IncomingMessage } from 'node:http';

/** How long a client may continue to send an unwanted body, in milliseconds. */
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
