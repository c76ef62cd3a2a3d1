import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { canaries, createOverlap } from '../secrets/canaries.ts';
import { createByteBuffer } from './byte-buffer.ts';
import { type RawResponse, parseResponse } from './raw-response.ts';

/** A TCP connection on which a test sends and reads HTTP/1.1 as bytes. */
export type RawConnection = {
  readonly socket: Socket;
  /** Sends text (as latin1) or bytes. */
  write(data: string | Buffer): void;
  /** The received bytes that `readResponse` or `readUntil` have not returned. */
  pending(): Buffer;
  /**
   * Returns everything up to the end of `mark`.
   *
   * @throws Error with the received bytes when the connection ends or the time-out passes.
   */
  readUntil(mark: string): Promise<Buffer>;
  /**
   * Takes one response with the 1xx responses before it. `method` is that of its request: HEAD has no body.
   *
   * @throws Error with the received bytes when the connection ends or the time-out passes.
   */
  readResponse(method?: string): Promise<RawResponse>;
  /** Resolves when the other side has ended the connection, in whatever way. */
  readonly ended: Promise<void>;
  /** Ends this side; the other may still send. */
  end(): void;
  /** Cuts the connection by a reset (RST). */
  reset(): void;
  /** Cuts the connection. */
  close(): void;
};

/** How long to wait for the other side, in milliseconds. */
export type RawOptions = { timeoutMs?: number };

/** Connects to a port of 127.0.0.1. */
export async function openRaw(port: number, { timeoutMs = 30_000 }: RawOptions = {}): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  const received = createByteBuffer();
  const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
  let isEnded = false;
  let look = () => {};

  const finish = () => {
    isEnded = true;
    markEnded();
    look();
  };
  const watch = createOverlap((text) => canaries.seeFrom(port, text));
  socket.on('data', (chunk: Buffer) => {
    watch(chunk.toString('latin1'));
    received.append(chunk);
    look();
  });
  socket.on('end', finish);
  socket.on('close', finish);
  socket.on('error', () => {}); // A reset shows as the end.

  const read = <T>(what: string, take: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        look = () => {};
      };
      const fail = (why: string) => {
        stop();
        reject(new Error(`${why} before ${what}: ${JSON.stringify(received.view().toString('latin1'))}`));
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      look = () => {
        try {
          const taken = take();
          if (taken === undefined) return isEnded ? fail('the connection ended') : undefined;
          stop();
          resolve(taken);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      look();
    });

  return {
    socket,
    ended,
    write: (data) => void socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data),
    pending: () => Buffer.from(received.view()),
    readUntil: (mark) =>
      read(JSON.stringify(mark), () => {
        const at = received.view().indexOf(mark, 0, 'latin1');
        return at === -1 ? undefined : received.take(at + mark.length);
      }),
    readResponse: (method = 'GET') =>
      read('a whole response', () => {
        const response = parseResponse(received.view(), { method, ended: isEnded });
        if (response === undefined) return undefined;
        // The parts are views of a buffer that is about to be reused.
        const owned = { ...response, body: Buffer.from(response.body) };
        return { ...owned, raw: received.take(response.raw.length) };
      }),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    close: () => void socket.destroy(),
  };
}

/**
 * Sends a request as it is, over a connection of its own, and gives the whole response.
 *
 * @throws Error with the received bytes when no whole response arrives in time.
 */
export async function rawRequest(
  port: number,
  request: string | Buffer,
  options?: RawOptions,
): Promise<RawResponse> {
  const connection = await openRaw(port, options);
  try {
    connection.write(request);
    const [method] = request.toString('latin1').trimStart().split(' ', 1);
    return await connection.readResponse(method);
  } finally {
    connection.close();
  }
}
