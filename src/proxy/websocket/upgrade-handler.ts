import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import type { OriginPolicy } from '../../http/inbound/csrf.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Credential } from '../../refresh/refresh-result.ts';
import { sessionExpired } from '../../sessions/no-session.ts';
import type { EndWatcher } from '../../sessions/end-watcher.ts';
import type { TokenResolver } from '../token-resolver.ts';
import type { ConcurrencyLimit } from '../concurrency-limit.ts';
import { createRequestHeaderPolicy } from '../request/headers.ts';
import { createResponseHeaderPolicy } from '../response/headers.ts';
import type { Route, Routes } from '../routes.ts';
import type { Tunnel } from './tunnel.ts';
import { createUpgradeTarget, type UpgradeCall } from './upstream-upgrade.ts';
import type { ResponsePolicy, UpgradeRelay } from './relay.ts';
import { explainUpstreamFailure } from '../upstream/errors.ts';
import { acceptanceOf, asksForWebSocket, readHandshake } from './handshake.ts';

/** WebSocket upgrades on API routes. */
export type Upgrades = {
  /** Passes an upgrade on, if a route wants it; gives false when none does. Throws what the browser should read instead. */
  open(request: IncomingMessage, socket: Socket, early: Buffer, exchange: RequestContext): Promise<boolean>;
};

type UpgradeDeps = {
  routes: Routes;
  originPolicy: OriginPolicy;
  bearers: TokenResolver;
  crowds: ConcurrencyLimit;
  watches: EndWatcher;
  passages: UpgradeRelay;
  baseUrl: string;
};

/** Policy violation (RFC 6455, section 7.4.1): the session that allowed the socket has ended. */
const SESSION_ENDED = 1008;

/** How an upgrade ends with its session: first by giving up its call, then by closing its tunnel. */
type SessionEnd = { hasCome: boolean; act: () => void };

// Made out here, since a closure keeps everything that its neighbours refer to: a tunnel that is open for days would keep
// the request it began with.
const givingUp = (call: UpgradeCall) => () => call.cancel(sessionExpired());
const closing = (tunnel: Tunnel) => () => tunnel.close(SESSION_ENDED);
const cutting = (socket: Socket) => () => void socket.destroy();

export function createUpgrades(deps: UpgradeDeps): Upgrades {
  const { routes, originPolicy, bearers, crowds, watches, passages, baseUrl } = deps;
  const lanes = new Map(
    routes.all.filter(({ config }) => config.websocket).map((route) => [route, createLane(route, baseUrl)]),
  );

  /** Ends the upgrade with its session, wherever it has got to, and counts it out when it is over. */
  function watch(socket: Socket, credential: Credential | undefined, leave: () => void): SessionEnd {
    const end: SessionEnd = { hasCome: false, act: () => undefined };
    const unwatch =
      credential &&
      watches.watch(credential.session, () => {
        end.hasCome = true;
        end.act();
      });
    socket.on('close', () => {
      leave();
      unwatch?.();
    });
    return end;
  }

  return {
    async open(request, socket, early, exchange) {
      const route = routes.match(exchange.target.path);
      const lane = route && lanes.get(route);
      if (route === undefined || lane === undefined) return false;
      exchange.route = route.config.path;
      if (!asksForWebSocket(request)) {
        throw new GatewayError('bad_request', { detail: 'The only supported upgrade is WebSocket.' });
      }
      originPolicy.checkUpgrade(request);
      const credential = await bearers.resolve(request, route, exchange);
      if (socket.destroyed) return true;

      const sessionEnd = watch(socket, credential, crowds.enter(route, credential, exchange));
      const headers = lane.requestHeaders(request.rawHeaders, {
        accessToken: credential?.accessToken,
        clientAddress: exchange.clientAddress,
        requestId: exchange.requestId,
      });
      const path = route.upstreamPath(exchange.target.path) + exchange.target.query;
      const call = lane.target.ask(path, headers);
      sessionEnd.act = givingUp(call);
      const tunnel = await passages
        .open({ request, socket, early, exchange }, call, lane.policyOf(request, exchange))
        .catch((error: unknown) => {
          throw explainUpstreamFailure(error);
        });
      sessionEnd.act = tunnel === undefined ? cutting(socket) : closing(tunnel);
      // SECURITY: it may have come when the upstream had answered, and there was no call left to be given up.
      if (sessionEnd.hasCome) sessionEnd.act();
      return true;
    },
  };
}

/** What is the same for all upgrades of a route. */
function createLane(route: Route, baseUrl: string) {
  const { timeout } = route.config;
  const answerHeaders = createResponseHeaderPolicy(route.config);
  return {
    target: createUpgradeTarget(route.origin, timeout),
    requestHeaders: createRequestHeaderPolicy(route.config, { host: route.host, baseUrl }),
    policyOf(request: IncomingMessage, { requestId }: RequestContext): ResponsePolicy {
      const acceptance = acceptanceOf(request.headers['sec-websocket-key'] ?? '');
      return {
        switched({ headers }) {
          const handshake = readHandshake(headers, acceptance);
          if (handshake !== undefined) return handshake;
          throw new GatewayError('upstream_invalid_response', {
            detail: 'The API did not complete the WebSocket handshake.',
          });
        },
        refused: ({ headers }) => answerHeaders(headers, requestId),
        idleMs: timeout.idle,
      };
    },
  };
}
