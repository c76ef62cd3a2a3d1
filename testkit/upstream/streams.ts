import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Behaviour } from './behaviours.ts';

/** Responds with chunks, with a pause before each. */
export function slowBody(
  chunks: readonly string[],
  intervalMs: number,
  contentType = 'text/plain',
): Behaviour {
  return async (_request, response, record) => {
    await record.readBody();
    response.writeHead(200, { 'content-type': contentType }).flushHeaders();
    for (const chunk of chunks) {
      await sleep(intervalMs);
      response.write(chunk);
    }
    response.end();
  };
}

/** Responds with server-sent events, with a pause before each, and ends after the last. */
export function eventStream(events: readonly string[], intervalMs: number): Behaviour {
  const lines = events.map((event) => `data: ${event}\n\n`);
  return slowBody(lines, intervalMs, 'text/event-stream');
}

/** A response whose body a test writes in parts. */
export type ControlledStream = {
  readonly behaviour: Behaviour;
  /** Resolves with the response once its headers are sent. */
  readonly opened: Promise<ServerResponse>;
  write(text: string): Promise<void>;
  end(): Promise<void>;
};

/** Makes a body for one request that the test controls. */
export function controlledStream(contentType = 'text/event-stream'): ControlledStream {
  const { promise: opened, resolve: open } = Promise.withResolvers<ServerResponse>();
  return {
    opened,
    behaviour: async (_request, response, record) => {
      await record.readBody();
      response.writeHead(200, { 'content-type': contentType }).flushHeaders();
      open(response);
    },
    write: async (text) => void (await opened).write(text),
    end: async () => void (await opened).end(),
  };
}

/** A response of any size, with the number of bytes written so far. */
export type LargeBody = { readonly behaviour: Behaviour; writtenBytes(): number };

/** Responds with `totalBytes` bytes of `x`, respecting backpressure. */
export function largeBody(totalBytes: number): LargeBody {
  const block = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  function* blocks() {
    for (let left = totalBytes; left > 0; left -= block.length) {
      const piece = block.subarray(0, Math.min(left, block.length));
      written += piece.length;
      yield piece;
    }
  }
  return {
    writtenBytes: () => written,
    behaviour: async (_request, response, record) => {
      await record.readBody();
      response.writeHead(200, { 'content-length': totalBytes });
      await pipeline(blocks, response);
    },
  };
}

/** Cuts the connection in the middle of a body of 1,000 bytes, framed by `Content-Length` or in chunks. */
export function cutMidBody(framing: 'content-length' | 'chunked'): Behaviour {
  return async (request, response, record) => {
    await record.readBody();
    response.writeHead(200, framing === 'content-length' ? { 'content-length': 1000 } : {});
    response.write('x'.repeat(100), () => request.socket.destroy());
  };
}

/** Sends arbitrary bytes instead of HTTP and closes the connection. */
export function garbage(bytes: string | Buffer): Behaviour {
  return async (request, _response, record) => {
    await record.readBody();
    request.socket.end(bytes);
  };
}

/** Cuts the connection without a response. */
export const hangUp: Behaviour = async (request, _response, record) => {
  await record.readBody();
  request.socket.destroy();
};
