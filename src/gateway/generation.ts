import type { RequestListener } from 'node:http';
import type { Snapshots } from '../admin/snapshot.ts';
import type { Apps } from '../app.ts';
import { createAccessLogMiddleware } from '../http/access-log.ts';
import { createGuardMiddleware } from '../http/inbound/guard.ts';
import { createProblemMiddleware } from '../http/problem/middleware.ts';
import { createProvider } from '../provider/kinds.ts';
import type { Provider } from '../provider/provider.ts';
import { createUpgradePipeline, type UpgradeListener } from '../upgrade-pipeline.ts';
import { createAdminListener } from './admin-listener.ts';
import { createAuthEndpoints } from './auth-endpoints.ts';
import type { Backends } from './backends.ts';
import type { Core } from './core.ts';
import { createInboundPolicies } from './inbound-policies.ts';
import { createRequestHandlers, createRouting, type Routing } from './request-handlers.ts';
import { createReusedPart } from './reused-part.ts';
import { createSessionServices, type SessionServices } from './session-services.ts';
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
};

/** Creates generations. The next one has the provider, the sessions and the routes of the last one, if their settings are the same. */
export function createGenerations(deps: {
  backends: Backends;
  shared: SharedState;
  apps: Apps;
  /** Returns the checks and metrics of every serving process. */
  snapshots: () => Promise<Snapshots>;
}): (core: Core) => Generation {
  const { backends, shared, apps, snapshots } = deps;
  const reuseProvider = createReusedPart<Provider>();
  const reuseSessionServices = createReusedPart<SessionServices>();
  const reuseRouting = createReusedPart<Routing>();

  return (core) => {
    const { config, clock, log, metrics, secure } = core;
    const { prefix } = config.login;
    const redirectUri = `${config.baseUrl}${prefix}/callback`;

    const providerSettings = {
      config: config.provider,
      redirectUri,
      sessionClaims: config.session.claims,
      refreshTimeoutMs: config.refresh.timeout,
    };
    const provider = reuseProvider(providerSettings, () =>
      createProvider({ ...providerSettings, clock, log, metrics }),
    );
    // The key ring and the cache follow the configuration by themselves.
    const { secrets: _secrets, ...sessionSettings } = config.session;
    const sessionServices = reuseSessionServices([provider, sessionSettings, config.refresh, secure], () =>
      createSessionServices(core, backends, shared, provider),
    );
    const routing = reuseRouting(config.routes, () => createRouting(core));

    const loginUrl = `${prefix}/${hasLoginEndpoint(provider) ? 'login' : 'decoupled'}`;
    const policies = createInboundPolicies(core, shared, {
      loginUrl,
      redirectLogin: provider.redirectLogin,
    });
    const { guard, accessLog, problems, navigationErrors } = policies;
    const handlers = createRequestHandlers(core, shared, routing, sessionServices, policies);
    const app = apps.create({
      accessLog: createAccessLogMiddleware(accessLog),
      guard: createGuardMiddleware(guard),
      authPrefix: prefix,
      auth: createAuthEndpoints({
        core,
        backends,
        provider,
        sessionServices,
        policies,
        loginUrl,
        redirectUri,
      }),
      api: handlers.api,
      spa: handlers.spa,
      problem: createProblemMiddleware({ problems, navigationErrors, log }),
    });
    const upgrade = createUpgradePipeline({
      guard,
      api: handlers.apiUpgrade,
      spa: handlers.spaUpgrade,
      problems,
      accessLog,
      log,
    });
    const admin = createAdminListener({
      core,
      shared,
      provider,
      sessions: sessionServices.sessions,
      snapshots,
    });
    return { core, provider, sessionServices, routing, app, upgrade, admin };
  };
}

/** True when users sign in at the login endpoint: by redirect, or with user name and password. */
function hasLoginEndpoint({ redirectLogin, passwordLogin }: Provider): boolean {
  return redirectLogin !== undefined || passwordLogin !== undefined;
}
