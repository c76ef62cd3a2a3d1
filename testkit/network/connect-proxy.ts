import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Identity } from './certificate-authority.ts';
import { type LoopbackServer, listenOnLoopback } from './loopback-server.ts';

/** A proxy for CONNECT requests. */
export type ConnectProxy = LoopbackServer & {
  /** Every CONNECT request, in order, with the status it got. */
  readonly requests: { authority: string; headers: IncomingHttpHeaders; status: number }[];
};

export type ConnectProxyOptions = {
  /** The port of 127.0.0.1 that each host name leads to. Other hosts are refused. */
  hosts: Readonly<Record<string, number>>;
  /** `user:password`; without them, a request gets 407. */
  credentials?: string;
  /** Makes it a proxy that is reached by TLS. */
  identity?: Identity;
};

/** Starts the proxy on a free port of 127.0.0.1. */
export async function startConnectProxy(options: ConnectProxyOptions): Promise<ConnectProxy> {
  const { hosts, credentials, identity } = options;
  const requests: ConnectProxy['requests'] = [];
  const server = identity === undefined ? createServer() : createSecureServer(identity);
  server.on('request', (_request, response) => response.writeHead(502).end());
  server.on('connect', ({ url = '', headers }, client: Socket, head: Buffer) => {
    const port = hosts[url.replace(/:\d+$/, '')];
    const status = isAllowed(headers, credentials) ? (port === undefined ? 502 : 200) : 407;
    requests.push({ authority: url, headers, status });
    client.on('error', () => client.destroy());
    if (status !== 200 || port === undefined) return void client.end(`HTTP/1.1 ${status} Refused\r\n\r\n`);
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.write(head);
      client.pipe(target).pipe(client);
    });
    target.on('error', () => client.destroy());
    target.on('close', () => client.destroy());
    client.on('close', () => target.destroy());
  });
  return { ...(await listenOnLoopback(server)), requests };
}

function isAllowed(headers: IncomingHttpHeaders, credentials: string | undefined): boolean {
  if (credentials === undefined) return true;
  return headers['proxy-authorization'] === `Basic ${Buffer.from(credentials).toString('base64')}`;
}
