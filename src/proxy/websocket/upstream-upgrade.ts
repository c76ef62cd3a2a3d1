import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { upstreamTimeout } from '../upstream/errors.ts';
import { createRotatingLookup } from '../upstream/lookup.ts';
import { tlsOptions, type ClientTls } from '../../config/schema/tls.ts';
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
  /** True once there was a connection, so that the upstream may have the request. */
  wasConnected(): boolean;
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

type TargetOptions = {
  /** In milliseconds. */
  readonly timeout: { readonly connect: number; readonly headers: number };
  readonly tls?: ClientTls;
};

/** Uses Node's own client, with a connection for each upgrade. */
export function createUpgradeTarget(origin: string, { timeout, tls = {} }: TargetOptions): UpgradeTarget {
  const { protocol, hostname, port } = new URL(origin);
  const isSecure = protocol === 'https:';
  const client = isSecure ? https : http;
  const lookup = createRotatingLookup();
  const { serverName: servername } = tls;
  const named = servername === undefined ? {} : { servername };
  const agent = isSecure
    ? new https.Agent({ maxCachedSessions: 0, lookup, ...tlsOptions(tls), ...named })
    : new http.Agent({ lookup });
  const host = hostname.replace(/^\[|\]$/g, '');

  return {
    request(path, headers) {
      let isConnected = false;
      const request = client.request({
        ...named,
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
            isConnected = true;
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
      return { response, wasConnected: () => isConnected, cancel: (error) => void request.destroy(error) };
    },
  };
}
