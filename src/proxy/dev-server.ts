import type { RequestHandler } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import { exchangeOf } from '../http/exchange.ts';

/** The app's development server: its pages, its assets and its hot-reload socket. */
export type DevServer = {
  handler: RequestHandler;
  /** Passes an upgrade of a page of ours on. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
};

/** Fields that a development server has no business with: the ticket above all. */
const withheld = ['cookie', 'authorization', 'expect'] as const;

/** Proxies to a development server by http-proxy-middleware 4, which is shown a request without the ticket. */
export function createDevServer(origin: string): DevServer {
  const refused = new WeakMap<IncomingMessage, (error: unknown) => void>();
  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target: origin,
    changeOrigin: true,
    on: {
      error: (cause, request, target) => {
        if ('writeHead' in target) {
          const detail = `The development server at ${origin} cannot be reached. Is it running?`;
          refused.get(request)?.(new GatewayError('upstream_unreachable', { detail, cause }));
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
      withhold(request);
      refused.set(request, next);
      // The library calls on with its own error as well: the one above has been told what it means.
      await proxy(request, response, () => undefined);
    },
    upgrade(request, socket, head) {
      withhold(request);
      proxy.upgrade(request, socket, head);
    },
  };
}
