import type { Socket } from 'node:net';
import { invalidResponse } from './response-head.ts';

/** Everything of a status line that this module looks at. */
const EXPECTED = 'HTTP/1.';
const PREFIX_BYTES = EXPECTED.length;
const EXPECTED_BYTES = Buffer.from(EXPECTED);
const CR = 13;
const LF = 10;

/** How undici writes to a socket. */
type Writes = (chunk: string | Uint8Array, encoding?: BufferEncoding) => boolean;

/**
 * Ends a connection on which a response claims a version of HTTP other than 1.x. undici 8 accepts one, and does not tell
 * which it was. Looks at the first bytes after each request head: without pipelining, a response begins there. A response
 * that follows an informational one (103) is not looked at.
 */
export function refuseOtherVersions(socket: Socket): void {
  const read = socket.read.bind(socket);
  const write: Writes = socket.write.bind(socket);
  let start = '';
  let isChecked = false;

  const writeAndExpect: Writes = (chunk, encoding) => {
    // undici writes text for a request head and for the size of a chunk, which follows a CR; bodies are bytes.
    if (typeof chunk === 'string' && chunk.charCodeAt(0) !== CR) {
      start = '';
      isChecked = false;
    }
    return write(chunk, encoding);
  };
  Object.assign(socket, { write: writeAndExpect });
  socket.read = (size) => {
    const chunk: unknown = read(size);
    if (isChecked || !Buffer.isBuffer(chunk)) return chunk;
    if (start === '' && isExpected(chunk)) {
      isChecked = true;
      return chunk;
    }
    const from = start === '' ? firstOfStatusLine(chunk) : 0;
    start += chunk.toString('latin1', from, from + PREFIX_BYTES - start.length);
    if (start.length < PREFIX_BYTES) return chunk;
    isChecked = true;
    if (!start.startsWith('HTTP/') || start === EXPECTED) return chunk;
    socket.destroy(invalidResponse(`its version is ${start}`));
    return null;
  };
}

/** Compares bytes, because a string for every response costs ten times as much. */
function isExpected(chunk: Buffer): boolean {
  for (let at = 0; at < PREFIX_BYTES; at += 1) if (chunk[at] !== EXPECTED_BYTES[at]) return false;
  return true;
}

/** Parsers skip empty lines before a status line (RFC 9112, section 2.2). */
function firstOfStatusLine(chunk: Buffer): number {
  let at = 0;
  while (chunk[at] === CR || chunk[at] === LF) at += 1;
  return at;
}
