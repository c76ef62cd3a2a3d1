import type { RequestHandler } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import { createRequestId, exchangeOf } from '../http/exchange.ts';
import { createProblems } from '../http/problem.ts';
import { answerOnSocket } from './upgrades.ts';
import { asksForWebSocket } from './websocket-handshake.ts';

/** The app's development server: its pages, its assets and its hot-reload socket. */
export type DevServer = {
  handler: RequestHandler;
  /** Passes an upgrade of a page of ours on. Throws `bad_request` when it is not one to WebSocket. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
};

/** Fields that a development server has no business with: the ticket above all. */
const withheld = ['cookie', 'authorization', 'proxy-authorization', 'expect'] as const;

/** Proxies to a development server by http-proxy-middleware 4, which is shown a request without the ticket. */
export function createDevServer(origin: string): DevServer {
  const problems = createProblems('');
  const refused = new WeakMap<IncomingMessage, (error: unknown) => void>();
  const open = new WeakSet<Socket>();
  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target: origin,
    changeOrigin: true,
    on: {
      proxyReqWs: (upstream: ClientRequest, _request, socket: Socket) => {
        upstream.once('upgrade', () => open.add(socket));
      },
      error: (cause, request, target) => {
        const detail = `The development server at ${origin} cannot be reached. Is it running?`;
        const error = new GatewayError('upstream_unreachable', { detail, cause });
        if ('writeHead' in target) refused.get(request)?.(error);
        else if (target instanceof Socket && !open.has(target)) {
          answerOnSocket(target, problems(error, createRequestId()));
        } else target.destroy();
      },
    },
  });
  const withhold = (request: IncomingMessage) => {
    for (const name of withheld) delete request.headers[name];
  };

  return {
    handler: async function devServer(request, response, next) {
      exchangeOf(response).route = 'spa';
      // The client has been told nothing yet, and the library would wait for its body with it.
      if (request.headers.expect !== undefined) response.writeContinue();
      withhold(request);
      refused.set(request, next);
      // The library calls on with its own error as well: the one above has been told what it means.
      await proxy(request, response, () => undefined);
    },
    upgrade(request, socket, head) {
      if (!asksForWebSocket(request)) {
        throw new GatewayError('bad_request', { detail: 'The only protocol to upgrade to is WebSocket.' });
      }
      withhold(request);
      proxy.upgrade(request, socket, head);
    },
  };
}
