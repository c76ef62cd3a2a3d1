import type { HeaderList } from './header-list.ts';
import { valueOf } from './header-list.ts';

/** A parsed response with its raw bytes. */
export type RawResponse = {
  statusLine: string;
  status: number;
  headers: HeaderList;
  /** The value of a field; several are joined by a comma. */
  header(name: string): string | undefined;
  /** The body without its framing. */
  body: Buffer;
  trailers: HeaderList;
  /** The statuses and fields of the 1xx responses before it. */
  interim: { status: number; headers: HeaderList }[];
  /** All bytes, including interim responses and framing. */
  raw: Buffer;
};

/** The context of the bytes: the request method, and whether the connection has ended. */
export type ResponseContext = { method: string; ended: boolean };

/**
 * Reads one response from the start of `bytes` (RFC 9112, sections 4 to 7), or returns undefined when it is incomplete.
 *
 * @throws Error when the bytes are not an HTTP/1 response.
 */
export function parseResponse(bytes: Buffer, context: ResponseContext): RawResponse | undefined {
  const interim: RawResponse['interim'] = [];
  let start = 0;
  for (;;) {
    const head = parseHead(bytes, start);
    if (head === undefined) return undefined;
    if (head.status >= 200 || head.status === 101) {
      const content = parseContent(bytes, head, context);
      if (content === undefined) return undefined;
      const { statusLine, status, headers } = head;
      return {
        statusLine,
        status,
        headers,
        header: (name) => valueOf(headers, name),
        body: content.body,
        trailers: content.trailers,
        interim,
        raw: bytes.subarray(0, content.end),
      };
    }
    interim.push({ status: head.status, headers: head.headers });
    start = head.end;
  }
}

type Head = { statusLine: string; status: number; headers: HeaderList; end: number };
type Content = { body: Buffer; trailers: HeaderList; end: number };

function parseHead(bytes: Buffer, start: number): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n', start);
  if (end === -1) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', start, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  return { statusLine, status, headers: parseFields(lines), end: end + 4 };
}

function parseFields(lines: readonly string[]): HeaderList {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`not a header field: ${JSON.stringify(line)}`);
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

function parseContent(bytes: Buffer, head: Head, { method, ended }: ResponseContext): Content | undefined {
  const { status, headers, end: start } = head;
  const upTo = (end: number): Content => ({ body: bytes.subarray(start, end), trailers: [], end });

  if (method === 'HEAD' || status === 101 || status === 204 || status === 304) return upTo(start);
  if (valueOf(headers, 'transfer-encoding')?.toLowerCase().endsWith('chunked'))
    return parseChunks(bytes, start);
  const length = valueOf(headers, 'content-length');
  if (length === undefined) return ended ? upTo(bytes.length) : undefined;
  const end = start + Number(length);
  return bytes.length >= end ? upTo(end) : undefined;
}

function parseChunks(bytes: Buffer, start: number): Content | undefined {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+/i.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return undefined;
    chunks.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
  const body = Buffer.concat(chunks);
  if (bytes.toString('latin1', at, at + 2) === '\r\n') return { body, trailers: [], end: at + 2 };
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end === -1) return undefined;
  return { body, trailers: parseFields(bytes.toString('latin1', at, end).split('\r\n')), end: end + 4 };
}
