import { splitList } from '../../fields/whitespace.ts';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { EventStreams } from './event-streams.ts';
import { nominatedBy } from '../header-names.ts';
import type { ResponseHeaderPolicy } from './headers.ts';

/** The browser's side of a forwarded response: writes it under the header policy. */
export type ResponseWriter = {
  begin(status: number, headers: IncomingHttpHeaders): void;
  /** Writes a chunk of the body; returns false when the caller must wait until the response drains. */
  write(chunk: Buffer): boolean;
  end(trailers: IncomingHttpHeaders): void;
};

/** The settings that are the same for all responses of a route. */
export type ResponseWriterPolicy = {
  readonly headers: ResponseHeaderPolicy;
  /** Tells whether a trailer field may pass, by its name in lower case. */
  readonly mayTrail: (name: string) => boolean;
  /** How long the browser may read nothing while bytes wait for it, in milliseconds; 0 is no limit. */
  readonly idleMs: number;
  readonly eventStreams: Pick<EventStreams, 'follow'>;
};

/** Practically no limit: a connection without a time-out would get that of the listener. The maximum of Node. */
const FOR_EVER_MS = 2_147_483_647;

/** The largest body that is copied to be written together with its head. */
const MAX_JOINED_BYTES = 4_096;

export function createResponseWriter(
  response: ServerResponse,
  policy: ResponseWriterPolicy,
  requestId: string,
  writeBatch: WriteBatch,
): ResponseWriter {
  let expected = -1;
  let written = 0;
  let isWhole = false;
  let connection: string | undefined;

  /** Selects the names that may follow the body; fields that `Connection` names are for the gateway only. */
  const trailing = (names: readonly string[]) => {
    if (names.length === 0) return names;
    const nominated = nominatedBy(connection);
    return names.filter((name) => policy.mayTrail(name) && nominated?.has(name) !== true);
  };

  return {
    begin(status, headers) {
      connection = headers.connection;
      const length = headers['content-length'];
      const fields = policy.headers(headers, requestId);
      if (length !== undefined) expected = Number(length);
      else if (headers.trailer !== undefined && canTrail(response, status)) {
        const names = splitList(String(headers.trailer).toLowerCase());
        fields.push('trailer', trailing(names).join(', '));
      }
      response.writeHead(status, fields);
      // A stream's headers do not wait for its first event; those of a small response go out with its body, in one write.
      if (length === undefined) setImmediate(() => response.writableEnded || response.flushHeaders());
      policy.eventStreams.follow(response, headers['content-type']);
    },

    write(chunk) {
      written += chunk.length;
      if (written === expected) {
        isWhole = true;
        writeBatch.add(() => endWith(response, chunk));
        return true;
      }
      const wantsMore = response.write(chunk);
      // Without a listener Node destroys the connection when the time has passed; any progress resets the timer.
      if (!wantsMore) response.setTimeout(policy.idleMs || FOR_EVER_MS);
      return wantsMore;
    },

    end(trailers) {
      if (isWhole) return;
      const names = trailing(Object.keys(trailers));
      if (names.length > 0) response.addTrailers(names.flatMap((name) => pairs(name, trailers[name])));
      response.end();
    },
  };
}

/**
 * Ends a response with its only chunk. Node joins the head and a string, and writes them as one; a buffer would be a second
 * piece, and the write of two pieces costs a tenth more.
 */
function endWith(response: ServerResponse, chunk: Buffer): void {
  if (chunk.length <= MAX_JOINED_BYTES) response.end(chunk.toString('latin1'), 'latin1');
  else response.end(chunk);
}

/** Trailers come after a body in chunks only; Node refuses to announce them for any other. */
function canTrail({ req }: ServerResponse, status: number): boolean {
  return req.method !== 'HEAD' && req.httpVersion === '1.1' && status !== 204 && status !== 304;
}

function pairs(name: string, value: string | string[] | undefined): [string, string][] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [[name, value]] : value.map((each) => [name, each]);
}
