import type { RequestListener } from 'node:http';
import type { CollectSnapshots } from '../admin/snapshot.ts';
import type { Apps } from '../app.ts';
import { claimsWanted } from '../config/claims-in-use.ts';
import { routeScopesOf } from '../config/route-scopes.ts';
import { hasSameSettings } from '../config/same-settings.ts';
import type { Config } from '../config/schema/schema.ts';
import { createProxyTrust } from '../http/inbound/client-address.ts';
import { createProblemLog, createProblemResponder } from '../http/problem/middleware.ts';
import { createUnreadableRequests } from '../http/problem/unreadable-requests.ts';
import type { UnreadableRequests } from '../http/server/client-errors.ts';
import type { BreakerState } from '../observability/metrics/services.ts';
import { createProvider } from '../provider/kinds.ts';
import type { Provider } from '../provider/provider.ts';
import { createUpgradePipeline, type UpgradeListener } from '../upgrade-pipeline.ts';
import { createAdminListener } from './admin-listener.ts';
import { createAuthEndpoints } from './auth-endpoints.ts';
import type { Backends } from './backends.ts';
import type { Core } from './core.ts';
import type { HostSessions } from './host-session.ts';
import { createHostSessions } from './host-sessions.ts';
import { createInboundPolicies } from './inbound-policies.ts';
import { createRequestHandlers, createRouting, type Routing } from './request-handlers.ts';
import { createSessionServices, type SessionServices } from './session-services.ts';
import { withRequestSpans, withUpgradeSpans } from './tracing.ts';
import type { SharedState } from './shared-state.ts';

/** The parts of a gateway that follow one configuration. A reload creates the next generation and swaps it in. */
export type Generation = {
  readonly core: Core;
  readonly provider: Provider;
  readonly sessionServices: SessionServices;
  readonly routing: Routing;
  readonly app: RequestListener;
  readonly upgrade: UpgradeListener;
  readonly admin: RequestListener;
  readonly unreadableRequests: UnreadableRequests;
  readonly hostSessions: HostSessions;
  /** Its circuit breakers, for metrics. */
  readonly breakers: () => readonly BreakerState[];
  /** What the reusable parts were created with. */
  readonly settings: { readonly provider: unknown; readonly sessions: unknown; readonly routes: unknown };
};

/** The provider of a generation, and the settings it was created with. */
export type GenerationProvider = { readonly provider: Provider; readonly settings: unknown };

/** Creates generations. The next one has the provider, the sessions and the routes of `former`, if their settings are the same. */
export type Generations = {
  providerOf(core: Core, former?: Generation): GenerationProvider;
  create(core: Core, provider: GenerationProvider, former?: Generation): Generation;
};

export function createGenerations(deps: {
  backends: Backends;
  shared: SharedState;
  apps: Apps;
  snapshots: CollectSnapshots;
}): Generations {
  const { backends, shared, apps, snapshots } = deps;

  const providerOf: Generations['providerOf'] = (core, former) => {
    const { config, signingKeys, clock, log, metrics, tracing } = core;
    const settings = {
      config: config.provider,
      redirectUri: redirectUriOf(config),
      sessionClaims: claimsWanted(config),
      routeScopes: routeScopesOf(config),
      refreshTimeoutMs: config.refresh.timeout,
    };
    if (former !== undefined && hasSameSettings(settings, former.settings.provider))
      return { provider: former.provider, settings };
    return { provider: createProvider({ ...settings, signingKeys, clock, log, metrics, tracing }), settings };
  };

  const create: Generations['create'] = (core, { provider, settings: providerSettings }, former) => {
    const { config, log, metrics, secure } = core;
    const { prefix } = config.login;
    const redirectUri = redirectUriOf(config);
    // The key ring and the cache follow the configuration by themselves.
    const { secrets: _secrets, ...sessionSettings } = config.session;
    const settings = {
      provider: providerSettings,
      sessions: [provider, sessionSettings, config.refresh, secure],
      // Rules for everybody withdraw what is open as those of a route do.
      routes: [config.routes, config.login.require],
    };
    const sessionServices =
      former !== undefined && hasSameSettings(settings.sessions, former.settings.sessions)
        ? former.sessionServices
        : createSessionServices(core, backends, shared, provider);
    const routing =
      former !== undefined && hasSameSettings(settings.routes, former.settings.routes)
        ? former.routing
        : createRouting(core);

    const loginUrl = `${prefix}/${hasLoginEndpoint(provider) ? 'login' : 'decoupled'}`;
    const policies = createInboundPolicies(core, shared, {
      loginUrl,
      redirectLogin: provider.redirectLogin,
    });
    const { guard, accessLog, problems, navigationErrors } = policies;
    const handlers = createRequestHandlers(core, shared, routing, sessionServices, policies, loginUrl);
    const isTrustedPeer = createProxyTrust(config.trustProxy, config.listen.socketPath);
    const app = apps.create({
      guard,
      accessLog,
      traced: (step) => withRequestSpans(core.tracing, isTrustedPeer, step),
      authPrefix: prefix,
      auth: createAuthEndpoints({
        core,
        backends,
        provider,
        sessionServices,
        policies,
        check: handlers.check,
        loginUrl,
        redirectUri,
      }),
      api: handlers.api,
      spa: handlers.spa,
      respondWithProblem: createProblemResponder({ problems, navigationErrors, log, metrics }),
      log,
      metrics,
    });
    const upgrade = createUpgradePipeline({
      guard,
      traced: (step) => withUpgradeSpans(core.tracing, isTrustedPeer, step),
      api: handlers.apiUpgrade,
      spa: handlers.spaUpgrade,
      problems,
      accessLog,
      log,
      metrics,
    });
    const admin = createAdminListener({
      core,
      shared,
      provider,
      sessions: sessionServices.sessions,
      store: backends.store,
      snapshots,
    });
    const hostSessions = createHostSessions(core, sessionServices, policies.access);
    const breakers = () => [...sessionServices.breakers(), ...handlers.breakers()];
    return {
      core,
      provider,
      sessionServices,
      routing,
      app,
      upgrade,
      admin,
      unreadableRequests: createUnreadableRequests({
        guard,
        problems,
        navigationErrors,
        accessLog,
        logProblem: createProblemLog(log, metrics),
      }),
      hostSessions,
      breakers,
      settings,
    };
  };

  return { providerOf, create };
}

function redirectUriOf({ baseUrl, login }: Config): string {
  return `${baseUrl}${login.prefix}/callback`;
}

/** True when users sign in at the login endpoint: by redirect, or with user name and password. */
function hasLoginEndpoint({ redirectLogin, passwordLogin }: Provider): boolean {
  return redirectLogin !== undefined || passwordLogin !== undefined;
}
