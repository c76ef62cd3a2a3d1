import { createServer, type Socket } from 'node:net';
import { serveWorker } from '../worker-process.ts';
import { RESPONSE_BODY } from '../workload.ts';
import { listen } from './listen.ts';

/** The number of requests with and without a bearer token. */
export type Calls = { withToken: number; withoutToken: number };

export type UpstreamShape = {
  ready: { port: number };
  commands: { calls(): Calls };
};

/**
 * The API: it sends the same bytes for every request and does as little work as HTTP allows, so that it is not the
 * bottleneck. It finds the end of each request, so it accepts pipelined requests and split bodies.
 */
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\n` +
    `Date: ${new Date().toUTCString()}\r\nContent-Length: ${RESPONSE_BODY.length}\r\n\r\n${RESPONSE_BODY}`,
);
const HEAD_END = '\r\n\r\n';
const calls: Calls = { withToken: 0, withoutToken: 0 };

function serve(socket: Socket): void {
  let held: Buffer = Buffer.alloc(0);
  let bodyLeft = 0;

  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let bytes: Buffer = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const skipped = Math.min(bodyLeft, bytes.length);
      bodyLeft -= skipped;
      bytes = bytes.subarray(skipped);
      const headEnd = bytes.indexOf(HEAD_END);
      if (headEnd === -1) break;
      bodyLeft = readHead(bytes.toString('latin1', 0, headEnd));
      bytes = bytes.subarray(headEnd + HEAD_END.length);
      // The response may be sent before the rest of the unread body arrives.
      socket.write(response);
    }
    held = bytes;
  });
}

/** Counts a request and returns the length of its body. */
function readHead(head: string): number {
  if (/\r\nauthorization: Bearer \S/i.test(head)) calls.withToken += 1;
  else calls.withoutToken += 1;
  if (head.startsWith('GET ')) return 0;
  if (/\r\ntransfer-encoding:/i.test(head))
    throw new Error('the benchmark upstream does not accept chunked requests');
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
}

const port = await listen(createServer(serve));
serveWorker({ port }, { calls: () => calls });
