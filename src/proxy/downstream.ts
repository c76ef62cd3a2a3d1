import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { ResponseHeaderPolicy } from './response-headers.ts';

/** The browser's side of a forwarded answer: what comes in is written out, under the header policy. */
export type Downstream = {
  begin(status: number, headers: IncomingHttpHeaders): void;
  /** Writes a piece of the body; gives false when no more should come until `onDrain`. */
  write(chunk: Buffer): boolean;
  end(trailers: IncomingHttpHeaders): void;
  onDrain(listener: () => void): void;
};

/** Trailer fields that would be header fields in disguise (RFC 9110, section 6.5.1) do not pass. */
const notInTrailers =
  /^(?:content-|transfer-|set-cookie|authorization|www-|host$|trailer$|cache-control|te$|connection)/;

export function createDownstream(
  response: ServerResponse,
  policy: ResponseHeaderPolicy,
  requestId: string,
): Downstream {
  let expected = -1;
  let written = 0;

  return {
    begin(status, headers) {
      const length = headers['content-length'];
      if (length !== undefined) expected = Number(length);
      response.writeHead(status, policy(headers, requestId));
      // A stream's headers do not wait for its first event; those of a small answer go out with its body, in one write.
      if (length === undefined) setImmediate(() => response.headersSent || response.flushHeaders());
    },

    write(chunk) {
      written += chunk.length;
      if (written !== expected) return response.write(chunk);
      response.end(chunk);
      return true;
    },

    end(trailers) {
      if (response.writableEnded) return;
      const names = Object.keys(trailers).filter((name) => !notInTrailers.test(name));
      if (names.length > 0) response.addTrailers(names.flatMap((name) => pairs(name, trailers[name])));
      response.end();
    },

    onDrain: (listener) => void response.on('drain', listener),
  };
}

function pairs(name: string, value: string | string[] | undefined): [string, string][] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [[name, value]] : value.map((each) => [name, each]);
}
