import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 nobody listens on at this moment, for programs that must be told their port.
 *
 * Another process may take it before it is used: the caller tries again with another one.
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was bound');
  return address.port;
}
