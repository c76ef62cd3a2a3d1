import type { RequestHandler } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { requestContextOf, type RequestContext } from '../http/inbound/request-context.ts';
import type { EventStreams } from '../proxy/response/event-streams.ts';
import { hopByHop, withoutFields } from '../proxy/header-names.ts';
import { createUpgradeTarget } from '../proxy/websocket/upstream-upgrade.ts';
import type { ResponsePolicy, UpgradeRelay } from '../proxy/websocket/relay.ts';
import { asksForWebSocket } from '../proxy/websocket/handshake.ts';

/** The app's development server: its pages, its assets and its hot-reload socket. */
export type DevServer = {
  handler: RequestHandler;
  /** Passes on an upgrade that a page of this origin asks for. Throws `bad_request` when it is not one to WebSocket. */
  upgrade(request: IncomingMessage, socket: Socket, early: Buffer, context: RequestContext): Promise<true>;
};

/** Fields that a development server has no business with: the ticket above all. */
const withheld = ['cookie', 'authorization', 'proxy-authorization', 'expect'] as const;

/** Fields that the library would pass on, and that ask for another protocol. */
const offering = ['connection', 'upgrade', 'http2-settings'] as const;

/** How long a development server may take, which builds what it is asked for, in milliseconds. */
const TIMEOUT = { connect: 5_000, headers: 60_000 };

const isHopByHop = (name: string) => hopByHop.includes(name);
const ofTheCall: readonly string[] = [...hopByHop, ...withheld, 'host'];
const isWithheld = (name: string) => ofTheCall.includes(name);

/** What it answers to an upgrade passes in its own words. */
const responsePolicy: ResponsePolicy = {
  switched: ({ rawHeaders }) => [
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
    ...withoutFields(rawHeaders, isHopByHop),
  ],
  refused: ({ rawHeaders }) => withoutFields(rawHeaders, isHopByHop),
  idleMs: 0,
};

/** Proxies to a development server by http-proxy-middleware 4, which is shown a request without the ticket. */
export function createDevServer({
  origin,
  originPolicy,
  relay,
  eventStreams,
}: {
  origin: string;
  originPolicy: OriginPolicy;
  relay: UpgradeRelay;
  eventStreams: EventStreams;
}): DevServer {
  const unreachable = (cause: unknown) =>
    new GatewayError('upstream_unreachable', {
      detail: `The development server at ${origin} cannot be reached. Is it running?`,
      cause,
    });
  const refused = new WeakMap<IncomingMessage, (error: unknown) => void>();
  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target: origin,
    changeOrigin: true,
    on: {
      proxyRes: ({ headers }, _request, response) => eventStreams.follow(response, headers['content-type']),
      error: (cause, request, target) => {
        if ('writeHead' in target) refused.get(request)?.(unreachable(cause));
        else target.destroy();
      },
    },
  });
  const target = createUpgradeTarget(origin, TIMEOUT);
  const { host } = new URL(origin);

  return {
    handler: async function devServer(request, response, next) {
      requestContextOf(response).route = 'spa';
      // The client has been told nothing yet, and the library would wait for its body with it.
      if (request.headers.expect !== undefined) response.writeContinue();
      for (const name of withheld) delete request.headers[name];
      if (request.headers.upgrade !== undefined) for (const name of offering) delete request.headers[name];
      refused.set(request, next);
      // The library calls on with its own error as well: the one above has been told what it means.
      await proxy(request, response, () => undefined);
    },
    async upgrade(request, socket, early, context) {
      originPolicy.checkUpgrade(request);
      context.route = 'spa';
      if (!asksForWebSocket(request)) {
        throw new GatewayError('bad_request', { detail: 'The only supported upgrade is WebSocket.' });
      }
      const headers = withoutFields(request.rawHeaders, isWithheld);
      const call = target.request(request.url ?? '/', ['Host', host, ...headers]);
      await relay.open({ request, socket, early, context }, call, responsePolicy).catch((error: unknown) => {
        throw unreachable(error);
      });
      return true;
    },
  };
}
