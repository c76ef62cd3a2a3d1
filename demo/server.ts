import { once } from 'node:events';
import type { Server } from 'node:http';

/** A server that is listening on the loopback. */
export interface RunningServer {
  /** Its origin, without a trailing slash. */
  url: string;
  /** Stops it at once, open connections included. */
  close(): void;
}

/** Listens on a free port of 127.0.0.1. */
export async function listen(server: Server): Promise<RunningServer> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
