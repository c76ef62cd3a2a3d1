import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { upstreamTimeout } from '../upstream/errors.ts';

/** An upstream that can be asked for upgrades to WebSocket. */
export type UpgradeTarget = {
  /** Asks for one, with these header fields and those of the handshake's connection. */
  ask(path: string, headers: readonly string[]): UpgradeCall;
};

/** An upgrade that an upstream has been asked for. */
export type UpgradeCall = {
  /** Settles with the head of the answer, whichever it is. Rejects when none comes. */
  readonly answer: Promise<UpgradeResponse>;
  /** Gives up, as far as there is no answer yet. */
  cancel(error?: Error): void;
};

/** What an upstream says to an upgrade. */
export type UpgradeResponse = {
  readonly head: IncomingMessage;
  /** Of a 101: the socket, and what came together with the head. */
  readonly switched?: { readonly socket: Socket; readonly first: Buffer };
};

/** Asks by Node's own client, on a connection of its own for each upgrade. Times are milliseconds. */
export function createUpgradeTarget(
  origin: string,
  timeout: { readonly connect: number; readonly headers: number },
): UpgradeTarget {
  const { protocol, hostname, port } = new URL(origin);
  const isSecure = protocol === 'https:';
  const client = isSecure ? https : http;
  const agent = isSecure ? new https.Agent({ maxCachedSessions: 0 }) : new http.Agent();
  const host = hostname.replace(/^\[|\]$/g, '');

  return {
    ask(path, headers) {
      const request = client.request({
        host,
        port,
        path,
        agent,
        setDefaultHeaders: false,
        headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
      });
      const answer = new Promise<UpgradeResponse>((resolve, reject) => {
        const giveUp = () => request.destroy(upstreamTimeout());
        let timer = setTimeout(giveUp, timeout.connect);
        const settle = (answered: UpgradeResponse) => {
          clearTimeout(timer);
          resolve(answered);
        };
        request.once('socket', (socket) =>
          socket.once(isSecure ? 'secureConnect' : 'connect', () => {
            clearTimeout(timer);
            timer = setTimeout(giveUp, timeout.headers);
          }),
        );
        request.once('upgrade', (head, socket, first) => settle({ head, switched: { socket, first } }));
        request.once('response', (head) => settle({ head }));
        request.on('error', (error) => {
          clearTimeout(timer);
          reject(error);
        });
      });
      request.end();
      return { answer, cancel: (error) => void request.destroy(error) };
    },
  };
}
