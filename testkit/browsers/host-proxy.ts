import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type LoopbackServer, listenOnLoopback } from '../network/loopback-server.ts';

/** Starts a proxy for CONNECT requests that maps each host name to a port of 127.0.0.1 and rejects other hosts. */
export async function startHostProxy(hosts: Readonly<Record<string, number>>): Promise<LoopbackServer> {
  const server = createServer((_request, response) => response.writeHead(502).end());
  server.on('connect', (request, client: Socket, head: Buffer) => {
    const port = hosts[request.url?.split(':')[0] ?? ''];
    if (port === undefined) return void client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.write(head);
      client.pipe(target).pipe(client);
    });
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  return listenOnLoopback(server);
}
