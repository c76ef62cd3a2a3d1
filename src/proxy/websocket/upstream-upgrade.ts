import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { upstreamTimeout } from '../upstream/errors.ts';
import { readUpgradeResponseHead, type ResponseHead } from '../upstream/response-head.ts';

/** An upstream to which upgrades to WebSocket are sent. */
export type UpgradeTarget = {
  /** Requests an upgrade, with these header fields and those of the handshake's connection. */
  request(path: string, headers: readonly string[]): UpgradeCall;
};

/** An upgrade that was requested from an upstream. */
export type UpgradeCall = {
  /** Settles with the head of any response. Rejects when none arrives. */
  readonly response: Promise<UpgradeResponse>;
  /** Gives up, if there is no response yet. */
  cancel(error?: Error): void;
};

/** The response of an upstream to an upgrade. */
export type UpgradeResponse = {
  readonly head: ResponseHead;
  /** Of any response but a 101. */
  readonly body: IncomingMessage;
  /** Of a 101: the socket, and the bytes that arrived together with the head. */
  readonly switched?: { readonly socket: Socket; readonly first: Buffer };
};

/** Uses Node's own client, with a connection for each upgrade. Times are milliseconds. */
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
    request(path, headers) {
      const request = client.request({
        host,
        port,
        path,
        agent,
        setDefaultHeaders: false,
        headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
      });
      const response = new Promise<UpgradeResponse>((resolve, reject) => {
        const giveUp = () => request.destroy(upstreamTimeout());
        let timer = setTimeout(giveUp, timeout.connect);
        const settle = (body: IncomingMessage, switched?: UpgradeResponse['switched']) => {
          clearTimeout(timer);
          try {
            const head = readUpgradeResponseHead(body);
            resolve(switched === undefined ? { head, body } : { head, body, switched });
          } catch (error) {
            switched?.socket.destroy();
            body.destroy();
            reject(error);
          }
        };
        request.once('socket', (socket) =>
          socket.once(isSecure ? 'secureConnect' : 'connect', () => {
            clearTimeout(timer);
            timer = setTimeout(giveUp, timeout.headers);
          }),
        );
        request.once('upgrade', (head, socket, first) => settle(head, { socket, first }));
        request.once('response', (head) => settle(head));
        request.on('error', (error) => {
          clearTimeout(timer);
          reject(error);
        });
      });
      request.end();
      return { response, cancel: (error) => void request.destroy(error) };
    },
  };
}
