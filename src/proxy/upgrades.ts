import { createProxyMiddleware } from 'http-proxy-middleware';
import { STATUS_CODES, type ClientRequest, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/csrf.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Credential } from '../refresh/credential.ts';
import type { Watches } from '../sessions/watches.ts';
import type { Bearers } from './bearer.ts';
import { createRequestHeaderPolicy } from './request-headers.ts';
import { createResponseHeaderPolicy } from './response-headers.ts';
import type { Route, Routes } from './routes.ts';
import type { Tunnel, Tunnels } from './tunnel.ts';
import { explainUpstreamFailure } from './upstream-error.ts';
import { acceptanceOf, asksForWebSocket, readHandshake } from './websocket-handshake.ts';

/** WebSocket upgrades on API routes. */
export type Upgrades = {
  /** Passes an upgrade on, if a route wants it; gives false when none does. Throws what the browser should read instead. */
  open(request: IncomingMessage, socket: Socket, head: Buffer, exchange: Exchange): Promise<boolean>;
};

/** Told what becomes of upgrades, whoever takes them. */
export type UpgradeAnswers = {
  /** Told of every upgrade that the other side has answered, with the status. */
  onAnswer(status: number, exchange: Exchange): void;
  /** Answers an upgrade that failed before it was accepted, and ends the socket. */
  refuse(socket: Socket, error: GatewayError, exchange: Exchange): void;
};

type UpgradeDeps = UpgradeAnswers & {
  routes: Routes;
  originPolicy: OriginPolicy;
  bearers: Bearers;
  watches: Watches;
  tunnels: Tunnels;
  baseUrl: string;
};

/** Policy violation (RFC 6455, section 7.4.1): the session that allowed the socket has ended. */
const SESSION_ENDED = 1008;

/** An upgrade under way, found by its request when the library's events come. */
type Crossing = {
  readonly exchange: Exchange;
  /** What the upstream has to say to the key of the browser. */
  readonly acceptance: string;
  /** The browser has an answer. */
  answered: boolean;
  tunnel: Tunnel | undefined;
};

/** Upgrades by http-proxy-middleware 4, which is shown a request that the header policy has already rewritten. */
export function createUpgrades(deps: UpgradeDeps): Upgrades {
  const { routes, originPolicy, bearers, watches, tunnels, baseUrl } = deps;
  const crossings = new WeakMap<IncomingMessage, Crossing>();
  const lanes = new Map(
    routes.all.filter(({ config }) => config.websocket).map((route) => [route, createLane(route)]),
  );

  function createLane(route: Route) {
    const answerHeaders = createResponseHeaderPolicy(route.config);
    const proxy = createProxyMiddleware({
      target: route.origin,
      upgradeTimeout: route.config.timeout.headers,
      on: {
        proxyReqWs: (upstream: ClientRequest, request: IncomingMessage, socket: Socket) => {
          const crossing = crossings.get(request);
          if (crossing !== undefined) follow(upstream, socket, crossing, answerHeaders);
        },
        error: (error, request, socket) => {
          const crossing = crossings.get(request);
          if (crossing === undefined || !(socket instanceof Socket)) socket.destroy();
          else if (!crossing.answered) refuse(socket, crossing, explainUpstreamFailure(error));
          // An open tunnel that breaks on either side ends on both; one that is being closed ends by itself.
          else if (crossing.tunnel?.isClosing() !== true) socket.destroy();
        },
      },
    });
    return { proxy, requestHeaders: createRequestHeaderPolicy(route.config, { host: route.host, baseUrl }) };
  }

  /** Listens before the library does: the answer's head is rewritten before it is passed on. */
  function follow(
    upstream: ClientRequest,
    socket: Socket,
    crossing: Crossing,
    answerHeaders: ReturnType<typeof createResponseHeaderPolicy>,
  ): void {
    const { exchange } = crossing;
    upstream.once('response', (answer) => {
      crossing.answered = true;
      deps.onAnswer(answer.statusCode ?? 502, exchange);
      answer.headers = toHeaders(answerHeaders(answer.headers, exchange.requestId));
    });
    upstream.once('upgrade', (answer, upstreamSocket) => {
      // The session may have ended while the upstream made up its mind: the browser has been told.
      if (crossing.answered) return upstreamSocket.destroy();
      const handshake = readHandshake(answer.headers, crossing.acceptance);
      if (handshake === undefined) {
        const detail = 'The API has not accepted the WebSocket as it should.';
        refuse(socket, crossing, new GatewayError('upstream_invalid_response', { detail }));
        return upstreamSocket.destroy();
      }
      crossing.answered = true;
      deps.onAnswer(101, exchange);
      answer.headers = handshake;
      // Not before the library has put its pipe together: a listener by then would take what came with the 101.
      socket.once('pipe', () => (crossing.tunnel = tunnels.open(socket, upstreamSocket)));
      return undefined;
    });
  }

  function refuse(socket: Socket, crossing: Crossing, error: GatewayError): void {
    crossing.answered = true;
    // A browser that has gone is told nothing, and nothing is wrong.
    if (!socket.destroyed) deps.refuse(socket, error, crossing.exchange);
  }

  /** Ends a crossing with its session, wherever it has got to. */
  function watch(socket: Socket, crossing: Crossing, { stored }: Credential): void {
    const unwatch = watches.watch(stored, () => {
      if (crossing.tunnel !== undefined) crossing.tunnel.close(SESSION_ENDED);
      else if (!crossing.answered) refuse(socket, crossing, new GatewayError('session_expired'));
    });
    socket.once('close', unwatch);
  }

  return {
    async open(request, socket, head, exchange) {
      const route = routes.match(exchange.target.path);
      const lane = route && lanes.get(route);
      if (route === undefined || lane === undefined) return false;
      exchange.route = route.config.path;
      if (!asksForWebSocket(request)) {
        throw new GatewayError('bad_request', { detail: 'The only protocol to upgrade to is WebSocket.' });
      }
      originPolicy.checkUpgrade(request);
      const credential = await bearers.forRequest(request, route, exchange);
      if (socket.destroyed) return true;

      const acceptance = acceptanceOf(request.headers['sec-websocket-key'] ?? '');
      const crossing: Crossing = { exchange, acceptance, answered: false, tunnel: undefined };
      crossings.set(request, crossing);
      if (credential !== undefined) watch(socket, crossing, credential);
      // SECURITY: rewritten here, since the library skips its own hooks on some requests (http-proxy-middleware 4.2 on
      // `Expect`) and forwards hop-by-hop fields as they are.
      request.headers = toHeaders([
        ...lane.requestHeaders(request.rawHeaders, {
          accessToken: credential?.accessToken,
          clientAddress: exchange.clientAddress,
          requestId: exchange.requestId,
        }),
        'Connection',
        'Upgrade',
        'Upgrade',
        'websocket',
      ]);
      request.url = route.upstreamPath(exchange.target.path) + exchange.target.query;
      lane.proxy.upgrade(request, socket, head);
      return true;
    },
  };
}

/** A flat list as the object that Node's client takes; a repeated field becomes a list. */
function toHeaders(flat: readonly string[]): IncomingMessage['headers'] {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const name = (flat[at] ?? '').toLowerCase();
    const value = flat[at + 1] ?? '';
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = [...(typeof before === 'string' ? [before] : before), value];
  }
  return headers;
}

/** Writes an answer onto the socket of an upgrade that is not accepted, and ends it. */
export function answerOnSocket(
  socket: Socket,
  answer: { status: number; headers: Record<string, string>; body: string },
): void {
  if (socket.destroyed) return;
  const fields = {
    ...answer.headers,
    // SECURITY: a cache would keep a 404 that says nothing of itself, and give it to those who ask for the page.
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
    'Content-Length': String(Buffer.byteLength(answer.body)),
  };
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}`,
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${answer.body}`);
}
