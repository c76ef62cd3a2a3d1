import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that Linux, macOS and Windows give to outgoing connections: one of those would take a port between its
 * choice and its use, or while a program restarts on it.
 */
const [FROM, TO] = [15_000, 32_768];

/**
 * A free port of 127.0.0.1, for programs that need their port as an argument.
 *
 * Another process may take the port first: the caller must then retry with another one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FROM, TO);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
