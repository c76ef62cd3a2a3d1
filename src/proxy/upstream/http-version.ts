import type { Socket } from 'node:net';
import { invalidResponse } from './response-head.ts';

/** How the status line of a response begins. */
const EXPECTED = 'HTTP/1.';
const EXPECTED_BYTES = Buffer.from(EXPECTED);
/** As far as the first digit of the status: `HTTP/1.1 2`. */
const START_LENGTH = 'HTTP/1.1 '.length + 1;
const ONE = '1';
const CR = 13;

/** How undici writes to a socket. */
type Writes = (chunk: string | Uint8Array, encoding?: BufferEncoding) => boolean;

/**
 * Ends a connection on which a response claims a version of HTTP other than 1.x. undici 8 accepts one, and does not tell
 * which it was. Looks at the first bytes after each request head, because without pipelining a response begins there, and after
 * each informational response (103).
 */
export function refuseOtherVersions(socket: Socket): void {
  const read = socket.read.bind(socket);
  const write: Writes = socket.write.bind(socket);
  const starts = createStartReader();

  const writeAndExpect: Writes = (chunk, encoding) => {
    // undici writes text for a request head and for the size of a chunk, which follows a CR; bodies are bytes.
    if (typeof chunk === 'string' && chunk.charCodeAt(0) !== CR) starts.reset();
    return write(chunk, encoding);
  };
  Object.assign(socket, { write: writeAndExpect });
  socket.read = (size) => {
    const chunk: unknown = read(size);
    if (!Buffer.isBuffer(chunk)) return chunk;
    const wrong = starts.read(chunk);
    if (wrong === undefined) return chunk;
    socket.destroy(invalidResponse(`its version is ${wrong}`));
    return null;
  };
}

/** The next part of a response that matters. */
type Expected = 'start' | 'end of head' | 'nothing';

/**
 * Reads the starts of the responses to one request. `read` returns the start that claims another version; `reset` begins with the
 * next request.
 */
function createStartReader(): { read(chunk: Buffer): string | undefined; reset(): void } {
  let expects: Expected = 'start';
  /** What has come of the start, or the last characters of the head of an informational response. */
  let seen = '';
  const isDone = () => expects === 'nothing';

  /** Takes the next part of the text, and returns the rest. */
  const advance = (text: string): string => {
    if (expects === 'end of head') {
      seen += text;
      const end = /\r?\n\r?\n/.exec(seen);
      if (end === null) {
        seen = seen.slice(-3);
        return '';
      }
      const rest = seen.slice(end.index + end[0].length);
      [expects, seen] = ['start', ''];
      return rest;
    }
    // Parsers skip empty lines before a status line (RFC 9112, section 2.2).
    const line = seen === '' ? text.replace(/^[\r\n]+/, '') : text;
    const missing = START_LENGTH - seen.length;
    seen += line.slice(0, missing);
    if (seen.length < START_LENGTH) return '';
    if (seen.startsWith(EXPECTED) && seen.endsWith(ONE)) [expects, seen] = ['end of head', ''];
    else expects = 'nothing';
    return line.slice(missing);
  };

  return {
    reset: () => void ([expects, seen] = ['start', '']),
    read(chunk) {
      if (isDone()) return undefined;
      if (expects === 'start' && seen === '' && isFinal(chunk)) {
        expects = 'nothing';
        return undefined;
      }
      let text = chunk.toString('latin1');
      while (text !== '' && !isDone()) text = advance(text);
      const isWrong = isDone() && seen.startsWith('HTTP/') && !seen.startsWith(EXPECTED);
      return isWrong ? seen.slice(0, EXPECTED.length) : undefined;
    },
  };
}

/**
 * Whether a chunk begins with the start of a final response of HTTP/1.x. Compares bytes, because a string for every response costs
 * ten times as much.
 */
function isFinal(chunk: Buffer): boolean {
  for (let at = 0; at < EXPECTED_BYTES.length; at += 1) if (chunk[at] !== EXPECTED_BYTES[at]) return false;
  return chunk.length >= START_LENGTH && chunk[START_LENGTH - 1] !== ONE.charCodeAt(0);
}
