import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { selfSigned } from '../../../testkit/network/self-signed.ts';
import { type LoopbackServer, listenOnLoopback } from '../../../testkit/network/loopback-server.ts';

/** A TLS endpoint in front of a server that speaks plain HTTP, as a balancer is. */
export type TlsFront = Pick<LoopbackServer, 'port'> & {
  /** Every byte that clients have sent, decrypted. */
  sent(): string;
  close(): Promise<void>;
};

/** Starts it on a free port of 127.0.0.1, with an untrusted certificate. */
export async function startTlsFront(targetPort: number): Promise<TlsFront> {
  let sent = '';
  const server = createTlsServer(selfSigned, (browser) => {
    const target = connect(targetPort, '127.0.0.1');
    browser.on('data', (chunk: Buffer) => (sent += chunk.toString('latin1')));
    for (const [one, other] of [
      [browser, target],
      [target, browser],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.on('tlsClientError', () => {});
  const listener = await listenOnLoopback(server);
  return { port: listener.port, sent: () => sent, close: () => listener.stop() };
}

/** Pages of another party, on https under any host; by default an empty page at every path. */
export type Site = Pick<LoopbackServer, 'port'> & {
  /** Header fields of its responses from now on. */
  send(headers: Record<string, string | string[]>): void;
  /** Redirects a path from now on. */
  redirect(path: string, location: string): void;
  close(): Promise<void>;
};

/** Starts one, on a free port of 127.0.0.1. */
export async function startSite(): Promise<Site> {
  let headers: Record<string, string | string[]> = {};
  const redirects = new Map<string, string>();
  const server = createHttpsServer(selfSigned, (request: IncomingMessage, response: ServerResponse) => {
    const location = redirects.get(request.url ?? '');
    if (location !== undefined) return void response.writeHead(302, { location }).end();
    response.writeHead(200, { 'content-type': 'text/html', ...headers }).end('<!doctype html><body>');
  });
  server.on('tlsClientError', () => {});
  const listener = await listenOnLoopback(server);
  return {
    port: listener.port,
    send: (fields) => {
      headers = fields;
    },
    redirect: (path, location) => void redirects.set(path, location),
    close: () => listener.stop(),
  };
}
