import { connect } from 'node:net';

/** The outcome of a request: `ok` or a description of the error. */
export type Outcome = 'ok' | (string & {});

/** One keep-alive connection that carries one request at a time. */
export type Connection = {
  send(request: Buffer): void;
  close(): void;
};

type ConnectionOptions = {
  port: number;
  /** The expected response body. */
  expected: Buffer;
  /** Called once per sent request. */
  onOutcome(outcome: Outcome): void;
  /** Called when the peer closes the connection, after the outcome of a pending request. */
  onEnd(): void;
};

const HEAD_END = '\r\n\r\n';
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Opens a connection to a port of 127.0.0.1 and checks every byte of every response. To save CPU time it reuses one read
 * buffer, and checks a response that arrives in one chunk without copying it.
 */
export function openConnection({ port, expected, onOutcome, onEnd }: ConnectionOptions): Promise<Connection> {
  const opened = Promise.withResolvers<Connection>();
  let held = NOTHING;
  let underWay = false;
  let closed = false;

  const settle = (outcome: Outcome) => {
    if (!underWay) return;
    underWay = false;
    onOutcome(outcome);
  };
  const end = (why: Outcome) => {
    if (closed) return;
    closed = true;
    socket.destroy();
    settle(why);
    onEnd();
  };
  const read = (chunk: Buffer) => {
    if (!underWay) return end('a response without a request');
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const response = readResponse(bytes, expected);
    if (response === undefined) {
      // Copy: the next read overwrites the chunk's memory.
      held = held.length === 0 ? Buffer.from(chunk) : bytes;
      return;
    }
    held = NOTHING;
    if (response.bytes !== bytes.length)
      return end(response.bytes === 0 ? response.outcome : 'more than one response');
    settle(response.outcome);
  };
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(65_536),
      callback: (length, buffer) => {
        read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
        return true;
      },
    },
  });
  socket.once('connect', () =>
    opened.resolve({
      send: (request) => {
        underWay = true;
        socket.write(request);
      },
      close: () => {
        closed = true;
        socket.destroy();
      },
    }),
  );
  socket.once('error', (error: NodeJS.ErrnoException) => {
    opened.reject(error);
    end(error.code ?? error.message);
  });
  socket.once('close', () => end('cut off'));
  return opened.promise;
}

/** Reads one response; undefined while it is incomplete. `bytes` is 0 when its length is unknown. */
function readResponse(bytes: Buffer, expected: Buffer): { outcome: Outcome; bytes: number } | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 ') || length === undefined)
    return { outcome: 'no Content-Length', bytes: 0 };
  const bodyAt = headEnd + HEAD_END.length;
  const whole = bodyAt + Number(length);
  if (bytes.length < whole) return undefined;
  const status = head.slice(9, 12);
  if (!status.startsWith('2')) return { outcome: `status ${status}`, bytes: whole };
  const isRight = expected.equals(bytes.subarray(bodyAt, whole));
  return { outcome: isRight ? 'ok' : 'a different body', bytes: whole };
}
