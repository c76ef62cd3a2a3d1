import { CallError } from './call-error.ts';

/** The parts of a request that its head consists of. */
export type RequestHead = {
  readonly method: string;
  readonly path: string;
  /** A flat list of names and values. `Content-Length` is taken from it; no other field of the framing may be in it. */
  readonly headers: readonly string[];
};

/** A request as text, up to the field that says how its body ends. */
export type RequestStart = { readonly text: string; readonly contentLength: number | undefined };

/** Methods whose requests have a body: without one they say so (RFC 9110, section 8.6). */
const withBody = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH']);

/** True if servers expect a body with this method. With another one, some leave it unread. */
export function expectsBody(method: string): boolean {
  return withBody.has(method);
}

/** Writes a head without its last fields and its end. Throws `unsendable` for text that would be another head than was meant. */
export function startOf(
  { method, path, headers }: RequestHead,
  persistence: 'keep-alive' | 'close',
): RequestStart {
  // SECURITY: a space in either would end it early, and the rest would be another target or version.
  if (!token.test(method) || !target.test(path)) throw unsendable();
  let text = `${method} ${path} HTTP/1.1\r\n`;
  let contentLength: number | undefined;
  let lines = headers.length / 2 + 2;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? '';
    const value = headers[at + 1] ?? '';
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      lines -= 1;
      contentLength = digits.test(value) ? Number(value) : NaN;
    } else text += `${name}: ${value}\r\n`;
  }
  text += `Connection: ${persistence}\r\n`;
  checkLines(text, lines);
  if (contentLength !== undefined && !Number.isSafeInteger(contentLength)) throw unsendable();
  return { text, contentLength };
}

const digits = /^\d+$/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const target = /^[\x21-\xff]+$/;
const CR = 13;
const notLatin1 = /[^\0-\xff]/;

/**
 * SECURITY: a line break in a value, such as an access token, would begin another field or another request. Written as Latin-1,
 * any other character loses its high bits, and may become a line break. So the whole text is checked, whatever its values come from:
 * it has as many lines as were written, and no CR or LF elsewhere. These searches cost nothing. Other control characters break no line,
 * and have no way here: the parser, the schema and `readAccessToken` refuse them. A search for them would take 4 % of a request.
 */
function checkLines(text: string, expected: number): void {
  let lines = 0;
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\n', at);
    if (end === -1 || text.charCodeAt(end - 1) !== CR || text.indexOf('\r', at) !== end - 1) break;
    lines += 1;
    at = end + 1;
  }
  if (at !== text.length || lines !== expected || text.includes('\0') || notLatin1.test(text))
    throw unsendable();
}

function unsendable(): CallError {
  return new CallError('unsendable', 'a header field of the request has a value that it cannot have');
}
