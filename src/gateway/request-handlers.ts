import type { RequestHandler } from 'express';
import { stepUpLimitsOf } from '../config/step-up-limits.ts';
import { createAccessTokenVerifier } from '../provider/bearer/access-token-verifier.ts';
import { createIssuerFetch } from '../provider/bearer/issuer-fetch.ts';
import type { BreakerState } from '../observability/metrics/services.ts';
import { createIdentities } from '../access/identities.ts';
import { createProxyTrust } from '../http/inbound/client-address.ts';
import { createPageHeaders } from '../http/security-headers.ts';
import type { AccessChecks, Identities } from '../proxy/access-checks.ts';
import { createApi, type Api } from '../proxy/api-handler.ts';
import { createForwardAuth } from '../proxy/forward-auth.ts';
import { createRouteLimits } from '../proxy/request/rate-limits.ts';
import { createSessionBoundResponses } from '../proxy/response/session-bound.ts';
import { createRoutes, type Routes } from '../proxy/routes.ts';
import { createTokenResolver } from '../proxy/token-resolver.ts';
import { createBearerCallers } from '../proxy/tokens/bearer-callers.ts';
import { identitySourceOf } from '../proxy/tokens/caller.ts';
import { createRouteTokens, ownAudienceOf } from '../proxy/tokens/route-tokens.ts';
import { createAuthorizations } from '../proxy/upstream/authorization.ts';
import { createForwarder } from '../proxy/forwarding/forwarder.ts';
import { createActionOn } from '../proxy/upstream/challenge-action.ts';
import { createUpstreams, type Upstreams } from '../proxy/upstream/pools.ts';
import { createRouteServers } from '../proxy/upstream/server-selection.ts';
import { createUpgradeRelay } from '../proxy/websocket/relay.ts';
import { createUpgrades } from '../proxy/websocket/upgrade-handler.ts';
import { cookieName } from '../sessions/cookie.ts';
import { createDevServer } from '../spa/dev-server.ts';
import { createSpaFiles } from '../spa/files.ts';
import type { UpgradeStep } from '../upgrade-pipeline.ts';
import type { Core } from './core.ts';
import type { InboundPolicies } from './inbound-policies.ts';
import type { SessionServices } from './session-services.ts';
import { withLookupSpans } from './tracing.ts';
import type { SharedState } from './shared-state.ts';

/** The handlers of API requests, upgrades and the app's own files, for the two pipelines. */
export type RequestHandlers = {
  readonly api: Api;
  /** `GET /auth/check` */
  readonly check: RequestHandler;
  readonly spa: RequestHandler;
  readonly apiUpgrade: UpgradeStep;
  readonly spaUpgrade: UpgradeStep;
  /** The breakers of the routes, for metrics. */
  readonly breakers: () => readonly BreakerState[];
};

/** The routes and the connections to their upstreams. */
export type Routing = { readonly routes: Routes; readonly upstreams: Upstreams };

export function createRouting({ config }: Core): Routing {
  return { routes: createRoutes(config.routes), upstreams: createUpstreams() };
}

export function createRequestHandlers(
  core: Core,
  shared: SharedState,
  { routes, upstreams }: Routing,
  sessionServices: SessionServices,
  policies: InboundPolicies,
  loginUrl: string,
): RequestHandlers {
  const { config, secure, signingKeys, clock, log, metrics, tracing } = core;
  const { refresher, stepUpLinks, clientTokens, exchangedTokens, issuer } = sessionServices;
  const sessions = withLookupSpans(tracing, sessionServices.sessions);
  const { access, accessLog, originPolicy, rateLimits } = policies;
  const { baseUrl, provider, spa } = config;
  const { endWatcher, concurrencyLimit, tunnels, eventStreams, writeBatch } = shared;

  const accessOf = new Map(
    routes.all.map((route) => [route, access.ofRoute(route.config, ownAudienceOf(route))]),
  );
  const accessChecks: AccessChecks = (route) => accessOf.get(route);
  const identityOf = createIdentities(config, { keys: signingKeys, clock });
  const identityByRoute = new Map(routes.all.map((route) => [route, identityOf(route.config)]));
  const identities: Identities = (route, caller) => {
    const source = identitySourceOf(caller);
    return source && identityByRoute.get(route)?.(source);
  };
  const tokenResolver = createTokenResolver({
    sessions,
    refresher,
    routeTokens: createRouteTokens({
      routes: routes.all,
      refresher,
      clientTokens,
      exchangedTokens,
      client: [
        issuer,
        'clientId' in provider ? String(provider.clientId) : '',
        ...('dpop' in provider && provider.dpop === true ? ['dpop'] : []),
      ],
    }),
    bearerCallers: createBearerCallers({
      verifier: createAccessTokenVerifier({
        fetch: createIssuerFetch(provider),
        timeoutMs: provider.timeout,
        clock,
      }),
      sessionCookie: cookieName('coatcheck', secure),
      invalidTokens: shared.invalidTokens,
      log,
    }),
    stepUpLinks,
    limits: createRouteLimits(routes.all, rateLimits),
    accessChecks,
  });
  const upgradeRelay = createUpgradeRelay({
    tunnels,
    onResponse: (status, context) => accessLog('GET', status, context),
  });
  const actionOn = createActionOn({ limits: stepUpLimitsOf(config), clock, log });
  const slots = shared.routeSlots(routes.all);
  const servers = createRouteServers(routes.all, { clock, log });
  const authorizations = createAuthorizations(clock);
  const forwarder = createForwarder({
    tracing,
    routes,
    upstreams,
    servers,
    slots,
    refresher,
    accessChecks,
    identities,
    actionOn,
    authorizations,
    metrics,
    writeBatch,
    eventStreams,
    baseUrl,
    clock,
    log,
  });
  const upgrades = createUpgrades({
    tracing,
    routes,
    originPolicy,
    tokenResolver,
    concurrencyLimit,
    endWatcher,
    servers,
    slots,
    relay: upgradeRelay,
    stepUpLinks,
    identities,
    actionOn,
    authorizations,
    clock,
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
      identities,
      forwarder,
      sessionBound: createSessionBoundResponses(endWatcher),
      stepUpLinks,
      log,
    }),
    check: createForwardAuth({
      routes,
      originPolicy,
      tokenResolver,
      identities,
      isFromTrustedProxy: createProxyTrust(config.trustProxy, config.listen.socketPath),
      loginUrl,
    }),
    spa: devServer?.handler ?? files ?? ((_request, _response, next) => next()),
    apiUpgrade: upgrades.open,
    spaUpgrade: devServer?.upgrade ?? (async () => false),
    breakers: forwarder.breakers,
  };
}
