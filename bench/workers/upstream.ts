import { createServer, type Socket } from 'node:net';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { serveWorker } from '../worker-process.ts';
import { RESPONSE_BODY } from '../workload.ts';

export type UpstreamShape = {
  ready: { port: number };
  /** `callsWithToken` returns the number of requests so far that carried an access token. */
  commands: { callsWithToken(): number };
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
let callsWithToken = 0;

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
  if (/\r\nauthorization: (?:Bearer|DPoP) \S/i.test(head)) callsWithToken += 1;
  if (head.startsWith('GET ')) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error('the API of the benchmark needs a Content-Length');
  return Number(length);
}

const { port } = await listenOnLoopback(createServer(serve));
serveWorker({ port }, { callsWithToken: () => callsWithToken });
