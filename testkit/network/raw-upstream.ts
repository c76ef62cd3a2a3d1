import { type Socket, createServer } from 'node:net';
import { listenOnLoopback } from './loopback-server.ts';

/** Handles a connection; `head` is the header section of its first request. */
export type ConnectionHandler = (socket: Socket, head: Promise<string>) => void | Promise<void>;

/** An upstream without its own HTTP implementation, for invalid bytes. */
export type RawUpstream = {
  readonly url: string;
  readonly port: number;
  /** The received bytes of each connection, in order of connection. */
  readonly received: Buffer[];
  /** Handles all further connections. */
  attend: ConnectionHandler;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Starts a TCP server on a free port of 127.0.0.1.
 *
 * `attend` is called for each connection. A socket stays open until `attend` ends it, even when the other side has ended.
 */
export async function startRawUpstream(attend: ConnectionHandler = () => undefined): Promise<RawUpstream> {
  const received: Buffer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const index = received.push(Buffer.alloc(0)) - 1;
    const { promise: head, resolve } = Promise.withResolvers<string>();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const soFar = Buffer.concat([received[index] ?? Buffer.alloc(0), chunk]);
      received[index] = soFar;
      const end = soFar.indexOf('\r\n\r\n');
      if (end !== -1) resolve(soFar.toString('latin1', 0, end + 4));
    });
    Promise.resolve(upstream.attend(socket, head)).catch(() => socket.destroy());
  });
  const loopback = await listenOnLoopback(server);

  const upstream: RawUpstream = {
    url: `http://127.0.0.1:${loopback.port}`,
    port: loopback.port,
    received,
    attend,
    stop: () => loopback.stop(),
    start: () => loopback.start(),
    close: () => loopback.stop(),
  };
  return upstream;
}
