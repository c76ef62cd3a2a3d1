import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { freePort } from '../testkit/network/free-port.ts';
import { DemoError } from './demo-error.ts';

/**
 * Chooses the port of the gateway: the wanted one, or else 3000 if nothing uses it, or else any free one. 0 wants any
 * free one. Throws {@link DemoError} when the wanted one cannot be used.
 */
export async function choosePort(wanted: number | undefined): Promise<number> {
  if (wanted === 0) return freePort();
  const obstacle = await findObstacle(wanted ?? 3000);
  if (obstacle === undefined) return wanted ?? 3000;
  if (wanted !== undefined) throw new DemoError(`Port ${wanted} ${obstacle}. Choose another with --port.`);
  return freePort();
}

async function findObstacle(port: number): Promise<string | undefined> {
  // `localhost` may mean either address: whoever listens on one of them would get the gateway's requests.
  const responses = await Promise.all(['127.0.0.1', '::1'].map((host) => isListening(host, port)));
  if (responses.includes(true)) return 'is in use';
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return 'code' in error && error.code === 'EADDRINUSE' ? 'is in use' : `cannot be used: ${error.message}`;
  } finally {
    server.close();
  }
}

async function isListening(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
