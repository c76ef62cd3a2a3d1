import { CallError } from '../../src/proxy/upstream/http1/call-error.ts';
import { ResponseParser } from '../../src/proxy/upstream/http1/response-parser.ts';

/** What the gateway's parser reads from bytes that are followed by the end of the connection. */
export type ParsedResponse = {
  informational: number;
  status?: number;
  fields?: Record<string, unknown>;
  isReusable?: boolean;
  body?: string;
  trailers?: Record<string, unknown>;
  /** The kind of its error. */
  failure?: string;
  /** The bytes after the response. */
  excess?: string;
};

/** Parses the pieces of a response, all in latin1. */
export function parsePieces(pieces: readonly string[], method = 'GET'): ParsedResponse {
  const read: ParsedResponse = { informational: 0 };
  const parser = new ResponseParser({
    onInformational: () => void (read.informational += 1),
    onHead: ({ status, fields, isReusable }) =>
      void Object.assign(read, { status, fields: { ...fields }, isReusable }),
    onData: (chunk) => void (read.body = (read.body ?? '') + chunk.toString('latin1')),
    onEnd: (trailers) => void (read.trailers = { ...trailers }),
  });
  parser.begin(method);
  try {
    for (const [at, piece] of pieces.entries()) {
      const parsed = parser.parse(Buffer.from(piece, 'latin1'));
      if (!parser.isDone) continue;
      const excess = piece.slice(parsed) + pieces.slice(at + 1).join('');
      return excess === '' ? read : { ...read, excess };
    }
    parser.finish(true);
  } catch (error) {
    read.failure = error instanceof CallError ? error.kind : String(error);
  }
  return read;
}
