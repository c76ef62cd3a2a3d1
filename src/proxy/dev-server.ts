import type { RequestHandler } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import { exchangeOf, type Exchange } from '../http/exchange.ts';
import type { Tunnel, Tunnels } from './tunnel.ts';
import type { UpgradeAnswers } from './upgrades.ts';
import { asksForWebSocket } from './websocket-handshake.ts';

/** The app's development server: its pages, its assets and its hot-reload socket. */
export type DevServer = {
  handler: RequestHandler;
  /** Passes an upgrade of a page of ours on. Throws `bad_request` when it is not one to WebSocket. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer, exchange: Exchange): void;
};

type DevServerDeps = UpgradeAnswers & { origin: string; tunnels: Tunnels };

/** An upgrade under way, found by its request when the library's events come. */
type Crossing = { readonly exchange: Exchange; answered: boolean; tunnel: Tunnel | undefined };

/** Fields that a development server has no business with: the ticket above all. */
const withheld = ['cookie', 'authorization', 'proxy-authorization', 'expect'] as const;

/** Proxies to a development server by http-proxy-middleware 4, which is shown a request without the ticket. */
export function createDevServer({ origin, tunnels, onAnswer, refuse }: DevServerDeps): DevServer {
  const refused = new WeakMap<IncomingMessage, (error: unknown) => void>();
  const crossings = new WeakMap<IncomingMessage, Crossing>();
  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target: origin,
    changeOrigin: true,
    on: {
      proxyReqWs: (upstream: ClientRequest, request, socket: Socket) => {
        const crossing = crossings.get(request);
        if (crossing !== undefined) follow(upstream, socket, crossing);
      },
      error: (cause, request, target) => {
        const detail = `The development server at ${origin} cannot be reached. Is it running?`;
        const error = new GatewayError('upstream_unreachable', { detail, cause });
        const crossing = crossings.get(request);
        if ('writeHead' in target) refused.get(request)?.(error);
        else if (target instanceof Socket && crossing?.answered === false) {
          crossing.answered = true;
          refuse(target, error, crossing.exchange);
        } else if (crossing?.tunnel?.isClosing() !== true) target.destroy();
      },
    },
  });
  const withhold = (request: IncomingMessage) => {
    for (const name of withheld) delete request.headers[name];
  };

  /** Listens before the library does, so that the socket can be ended in good form. */
  function follow(upstream: ClientRequest, socket: Socket, crossing: Crossing): void {
    upstream.once('response', ({ statusCode = 502 }) => {
      crossing.answered = true;
      onAnswer(statusCode, crossing.exchange);
    });
    upstream.once('upgrade', (_answer, upstreamSocket) => {
      crossing.answered = true;
      onAnswer(101, crossing.exchange);
      socket.once('pipe', () => (crossing.tunnel = tunnels.open(socket, upstreamSocket)));
    });
  }

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
    upgrade(request, socket, head, exchange) {
      exchange.route = 'spa';
      if (!asksForWebSocket(request)) {
        throw new GatewayError('bad_request', { detail: 'The only protocol to upgrade to is WebSocket.' });
      }
      withhold(request);
      crossings.set(request, { exchange, answered: false, tunnel: undefined });
      proxy.upgrade(request, socket, head);
    },
  };
}
