import type { RequestHandler } from 'express';
import { createPageHeaders } from '../http/security-headers.ts';
import { createWriteBatch } from '../performance/write-batch.ts';
import { createApi } from '../proxy/api-handler.ts';
import { createConcurrencyLimit } from '../proxy/concurrency-limit.ts';
import { createRouteLimits } from '../proxy/request/rate-limits.ts';
import { createEventStreams } from '../proxy/response/event-streams.ts';
import { createSessionBoundResponses } from '../proxy/response/session-bound.ts';
import { createRoutes } from '../proxy/routes.ts';
import { createTokenResolver } from '../proxy/token-resolver.ts';
import { createForwarder } from '../proxy/upstream/forwarder.ts';
import { createRouteSlots } from '../proxy/upstream/connection-slots.ts';
import { createRouteServers } from '../proxy/upstream/server-selection.ts';
import { createUpstreams } from '../proxy/upstream/pools.ts';
import { createUpgradeRelay } from '../proxy/websocket/relay.ts';
import { createTunnels } from '../proxy/websocket/tunnel.ts';
import { createUpgrades } from '../proxy/websocket/upgrade-handler.ts';
import { createEndWatcher } from '../sessions/end-watcher.ts';
import { createDevServer } from '../spa/dev-server.ts';
import { createSpaFiles } from '../spa/files.ts';
import type { UpgradeStep } from '../upgrade-pipeline.ts';
import type { Backends } from './backends.ts';
import type { Core } from './core.ts';
import type { InboundPolicies } from './inbound-policies.ts';
import type { SessionServices } from './session-services.ts';

/** The handlers of API requests, upgrades and the app's own files, for the two pipelines. */
export type RequestHandlers = {
  readonly api: RequestHandler;
  readonly spa: RequestHandler;
  readonly apiUpgrade: UpgradeStep;
  readonly spaUpgrade: UpgradeStep;
  /** Closes WebSockets with 1001 and ends event streams, so that browsers reconnect to another replica. */
  drain(): void;
  /** Closes the connections to the upstreams. */
  close(): Promise<void>;
};

export function createRequestHandlers(
  core: Core,
  backends: Backends,
  sessionServices: SessionServices,
  policies: InboundPolicies,
): RequestHandlers {
  const { config, secure, clock, log, metrics } = core;
  const { sessions, refresher, stepUpLinks } = sessionServices;
  const { accessLog, originPolicy, rateLimits } = policies;
  const { baseUrl, spa } = config;

  const routes = createRoutes(config.routes);
  const upstreams = createUpstreams();
  const endWatcher = createEndWatcher({ store: backends.store, clock });
  const tokenResolver = createTokenResolver({
    sessions,
    refresher,
    stepUpLinks,
    limits: createRouteLimits(routes.all, rateLimits),
  });
  const concurrencyLimit = createConcurrencyLimit();
  const tunnels = createTunnels();
  const eventStreams = createEventStreams();
  const upgradeRelay = createUpgradeRelay({
    tunnels,
    onResponse: (status, context) => accessLog('GET', status, context),
  });
  const slots = createRouteSlots(routes.all);
  const servers = createRouteServers(routes.all, { clock, log });
  const forwarder = createForwarder({
    routes,
    upstreams,
    servers,
    slots,
    refresher,
    metrics,
    writeBatch: createWriteBatch(),
    eventStreams,
    baseUrl,
    clock,
    log,
  });
  const upgrades = createUpgrades({
    routes,
    originPolicy,
    tokenResolver,
    concurrencyLimit,
    endWatcher,
    servers,
    slots,
    relay: upgradeRelay,
    stepUpLinks,
    metrics,
    baseUrl,
  });
  const devServer =
    spa?.devServer === undefined
      ? undefined
      : createDevServer({ origin: spa.devServer, originPolicy, relay: upgradeRelay, eventStreams });
  const files =
    spa?.directory === undefined ? undefined : createSpaFiles(spa.directory, createPageHeaders(secure));

  return {
    api: createApi({
      routes,
      originPolicy,
      tokenResolver,
      concurrencyLimit,
      forwarder,
      sessionBound: createSessionBoundResponses(endWatcher),
      stepUpLinks,
      log,
    }),
    spa: devServer?.handler ?? files ?? ((_request, _response, next) => next()),
    apiUpgrade: upgrades.open,
    spaUpgrade: devServer?.upgrade ?? (async () => false),
    drain() {
      tunnels.closeAll();
      eventStreams.cutOff();
    },
    close: upstreams.close,
  };
}
