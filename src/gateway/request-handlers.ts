import type { RequestHandler } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import { logProblem } from '../http/problem/middleware.ts';
import { createPageHeaders } from '../http/security-headers.ts';
import { createWriteBatch } from '../performance/write-batch.ts';
import { createApi } from '../proxy/api-handler.ts';
import { createTokenResolver } from '../proxy/token-resolver.ts';
import { createConcurrencyLimit } from '../proxy/concurrency-limit.ts';
import { createDevServer } from '../spa/dev-server.ts';
import { createEventStreams } from '../proxy/response/event-streams.ts';
import { createSessionBoundResponses } from '../proxy/response/session-bound.ts';
import { createForwarders } from '../proxy/upstream/forwarder.ts';
import { createRouteLimits } from '../proxy/request/rate-limits.ts';
import { createRoutes } from '../proxy/routes.ts';
import { createSpaFiles } from '../spa/files.ts';
import { createTunnels } from '../proxy/websocket/tunnel.ts';
import { respondOnSocket } from '../proxy/websocket/refusal.ts';
import { createUpgradeRelay } from '../proxy/websocket/relay.ts';
import { createUpgrades } from '../proxy/websocket/upgrade-handler.ts';
import { createUpstreams } from '../proxy/upstream/pools.ts';
import { createEndWatcher } from '../sessions/end-watcher.ts';
import type { InboundPolicies } from './inbound-policies.ts';
import type { Core } from './core.ts';
import type { SessionServices } from './session-services.ts';
import type { Backends } from './backends.ts';

/** What goes through: API requests, upgrades, and the app's own files. */
export type RequestHandlers = {
  readonly api: RequestHandler;
  readonly spa: RequestHandler;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Closes what has been upgraded, with 1001, and cuts event streams off: both are opened anew elsewhere. */
  drain(): void;
  /** Lets go of the upstreams. */
  close(): Promise<void>;
};

/** A socket that breaks is closed by itself; a function made in there would keep the request as long as the socket. */
const ignore = () => undefined;

export function createRequestHandlers(
  ground: Core,
  state: Backends,
  keeping: SessionServices,
  entry: InboundPolicies,
): RequestHandlers {
  const { config, secure, clock, log, metrics } = ground;
  const { sessions, refresher } = keeping;
  const { guard, accessLog, originPolicy, problems, rateLimits } = entry;
  const { baseUrl, spa } = config;

  const routes = createRoutes(config.routes);
  const upstreams = createUpstreams();
  const watches = createEndWatcher({ store: state.store, clock });
  const bearers = createTokenResolver({
    sessions,
    refresher,
    limits: createRouteLimits(routes.all, rateLimits),
  });
  const crowds = createConcurrencyLimit();
  const tunnels = createTunnels();
  const eventStreams = createEventStreams();
  const upgradePassages = createUpgradeRelay({
    tunnels,
    onAnswer: (status, exchange) => accessLog('GET', status, exchange),
  });
  const devServer =
    spa?.devServer === undefined
      ? undefined
      : createDevServer({ origin: spa.devServer, passages: upgradePassages, eventStreams });
  const upgrades = createUpgrades({
    routes,
    originPolicy,
    bearers,
    crowds,
    watches,
    passages: upgradePassages,
    baseUrl,
  });

  const openUpgrade = async (
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    exchange: RequestContext,
  ) => {
    guard.check(request, exchange);
    if (await upgrades.open(request, socket, head, exchange)) return;
    if (devServer === undefined)
      throw new GatewayError('not_found', { detail: 'No WebSocket is served here.' });
    originPolicy.checkUpgrade(request);
    await devServer.upgrade(request, socket, head, exchange);
  };
  const refuseUpgrade = (
    request: IncomingMessage,
    socket: Socket,
    error: unknown,
    exchange: RequestContext,
  ) => {
    // A browser that has gone is told nothing, and nothing is wrong.
    if (socket.destroyed) return;
    logProblem(log, error, exchange.requestId);
    const problem = problems(error, exchange.requestId);
    accessLog(request.method, problem.status, exchange);
    respondOnSocket(socket, {
      ...problem,
      headers: { ...problem.headers, 'X-Request-Id': exchange.requestId },
    });
  };

  return {
    api: createApi({
      routes,
      originPolicy,
      bearers,
      crowds,
      passages: createForwarders({
        routes,
        upstreams,
        refresher,
        metrics,
        turn: createWriteBatch(),
        eventStreams,
        baseUrl,
      }),
      longAnswers: createSessionBoundResponses(watches),
      log,
    }),

    spa:
      devServer?.handler ??
      (spa?.directory === undefined
        ? (_request, _response, next) => next()
        : createSpaFiles(spa.directory, createPageHeaders(secure))),

    upgrade(request, socket, head) {
      const exchange = guard.open(request);
      socket.on('error', ignore);
      openUpgrade(request, socket, head, exchange).catch((error: unknown) =>
        refuseUpgrade(request, socket, error, exchange),
      );
    },

    drain() {
      tunnels.closeAll();
      eventStreams.cutOff();
    },
    close: upstreams.close,
  };
}
