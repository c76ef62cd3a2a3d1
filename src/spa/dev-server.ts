import type { RequestHandler } from 'express';
import type * as Library from 'http-proxy-middleware';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { requestContextOf, type RequestContext } from '../http/inbound/request-context.ts';
import type { EventStreams } from '../proxy/response/event-streams.ts';
import { hopByHop, withoutFields } from '../proxy/header-names.ts';
import { flatFieldsOf } from '../proxy/upstream/response-head.ts';
import { createUpgradeTarget } from '../proxy/websocket/upstream-upgrade.ts';
import type { ResponsePolicy, UpgradeRelay } from '../proxy/websocket/relay.ts';
import { requireWebSocket } from '../proxy/websocket/handshake.ts';

/** The proxy to the app's development server: pages, assets and the hot-reload WebSocket. */
export type DevServer = {
  handler: RequestHandler;
  /** Forwards an upgrade from the app's own origin. Throws `bad_request` when it is not a WebSocket upgrade. */
  upgrade(request: IncomingMessage, socket: Socket, early: Buffer, context: RequestContext): Promise<true>;
};

/** Fields withheld from the development server, above all the cookie with the ticket. */
const withheld = ['cookie', 'authorization', 'proxy-authorization', 'expect'] as const;

/** Fields of an upgrade offer, which the library would forward. */
const upgradeFields = ['connection', 'upgrade', 'http2-settings'] as const;

/** Time-outs, in milliseconds. A development server builds files on request, so `headers` is long. */
const TIMEOUT = { connect: 5_000, headers: 60_000 };

const isHopByHop = (name: string) => hopByHop.includes(name);
const notForwarded: readonly string[] = [...hopByHop, ...withheld, 'host'];
const isWithheld = (name: string) => notForwarded.includes(name);

/** Forwards the development server's responses to upgrades without adding security headers. */
const responsePolicy: ResponsePolicy = {
  switched: (head) => [
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
    ...withoutFields(flatFieldsOf(head), isHopByHop),
  ],
  refused: (head) => withoutFields(flatFieldsOf(head), isHopByHop),
  idleMs: 0,
};

/** Proxies with http-proxy-middleware 4, which never sees the withheld fields. */
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
  const errorHandlers = new WeakMap<IncomingMessage, (error: unknown) => void>();
  // Not at the top: no production uses it, and the module takes 1 MB.
  const { createProxyMiddleware }: typeof Library = createRequire(import.meta.url)('http-proxy-middleware');
  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target: origin,
    changeOrigin: true,
    on: {
      proxyRes: ({ headers }, _request, response) => eventStreams.follow(response, headers['content-type']),
      error: (cause, request, target) => {
        if ('writeHead' in target) errorHandlers.get(request)?.(unreachable(cause));
        else target.destroy();
      },
    },
  });
  const target = createUpgradeTarget(origin, { timeout: TIMEOUT });
  const { host } = new URL(origin);

  return {
    handler: async function devServer(request, response, next) {
      requestContextOf(response).route = 'spa';
      // The library waits for the body, which this client sends only after 100 Continue.
      if (request.headers.expect !== undefined) response.writeContinue();
      for (const name of withheld) delete request.headers[name];
      if (request.headers.upgrade !== undefined)
        for (const name of upgradeFields) delete request.headers[name];
      errorHandlers.set(request, next);
      // The library also passes its error to this callback; the `error` handler above has already handled it.
      await proxy(request, response, () => undefined);
    },
    async upgrade(request, socket, early, context) {
      originPolicy.checkUpgrade(request);
      context.route = 'spa';
      requireWebSocket(request);
      const headers = withoutFields(request.rawHeaders, isWithheld);
      const call = target.request(request.url ?? '/', ['Host', host, ...headers]);
      await relay.open({ request, socket, early, context }, call, responsePolicy).catch((error: unknown) => {
        throw unreachable(error);
      });
      return true;
    },
  };
}
