import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { setImmediate as nextIteration } from 'node:timers/promises';

/** A server on a port of 127.0.0.1 that can stop and start again on the same port. */
export type LoopbackServer = {
  readonly port: number;
  /** The sockets open now, upgraded ones included. */
  readonly sockets: ReadonlySet<Socket>;
  /** Cuts every connection and closes the port. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
};

/** Binds `server` (of node:net or node:http) to a port of 127.0.0.1, by default a free one. */
export async function listenOnLoopback(server: Server, wantedPort = 0): Promise<LoopbackServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  const listen = async (wanted: number) => {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(wantedPort);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was bound');
  const { port } = address;

  return {
    port,
    sockets,
    stop: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      // Clients in this process notice the end of their pooled connections during one event loop iteration.
      await nextIteration();
    },
    start: async () => {
      if (!server.listening) await listen(port);
    },
  };
}
