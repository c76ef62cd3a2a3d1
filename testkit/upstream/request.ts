import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type HeaderList, headerListOf, valueOf } from '../network/header-list.ts';

/** A request that the upstream received. Its later parts are filled in as they arrive. */
export type UpstreamRequest = {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  readonly headers: HeaderList;
  header(name: string): string | undefined;
  /** The token of a well-formed `Authorization: Bearer`. */
  readonly bearer: string | undefined;
  /** The received part of the body, up to one megabyte. */
  body: Buffer;
  /** The number of received body bytes. */
  bodyBytes: number;
  /** The hash of the whole body; undefined until its end. */
  bodySha256: string | undefined;
  trailers: HeaderList;
  /** The status of the response; undefined before it is sent. */
  status: number | undefined;
  /** True when the connection closed before the response was complete. */
  aborted: boolean;
  /** Resolves when the response is complete or the connection is closed. */
  readonly over: Promise<void>;
  /** Reads the body to its end; sends 100 first if the client expects it. */
  readBody(): Promise<void>;
};

const KEPT_BYTES = 1024 * 1024;

/** Creates the record of a request, without reading its body. */
export function recordRequest(request: IncomingMessage, response: ServerResponse): UpstreamRequest {
  const headers = headerListOf(request.rawHeaders);
  const header = (name: string) => valueOf(headers, name);

  const record: UpstreamRequest = {
    method: request.method ?? '',
    target: request.url ?? '',
    headers,
    header,
    bearer: /^Bearer (\S+)$/.exec(header('authorization') ?? '')?.[1],
    body: Buffer.alloc(0),
    bodyBytes: 0,
    bodySha256: undefined,
    trailers: [],
    status: undefined,
    aborted: false,
    over: new Promise((resolve) => {
      response.once('close', () => {
        record.aborted = !response.writableFinished;
        if (response.headersSent) record.status = response.statusCode;
        resolve();
      });
    }),

    readBody: async () => {
      if (header('expect')?.toLowerCase() === '100-continue') response.writeContinue();
      const hash = createHash('sha256');
      for await (const chunk of request as AsyncIterable<Buffer>) {
        hash.update(chunk);
        record.bodyBytes += chunk.length;
        const room = KEPT_BYTES - record.body.length;
        if (room > 0) record.body = Buffer.concat([record.body, chunk.subarray(0, room)]);
      }
      record.bodySha256 = hash.digest('hex');
      record.trailers = headerListOf(request.rawTrailers);
    },
  };
  return record;
}
