import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { createReadiness } from './admin/readiness.ts';
import { noPeers, type PeerWorkers, type Snapshot } from './admin/snapshot.ts';
import { createApp } from './app.ts';
import type { Config } from './config/schema/schema.ts';
import { createAdminListener } from './gateway/admin-listener.ts';
import { createAuthEndpoints } from './gateway/auth-endpoints.ts';
import { openBackends } from './gateway/backends.ts';
import { createCore } from './gateway/core.ts';
import { createInboundPolicies } from './gateway/inbound-policies.ts';
import { createRequestHandlers } from './gateway/request-handlers.ts';
import { createSessionServices } from './gateway/session-services.ts';
import { createAccessLogMiddleware } from './http/access-log.ts';
import { createGuardMiddleware } from './http/inbound/guard.ts';
import { createProblemMiddleware } from './http/problem/middleware.ts';
import type { Logger } from './observability/log.ts';
import { createExpressClasses, type ExpressClasses } from './performance/express-classes.ts';
import { createProvider } from './provider/kinds.ts';
import type { Provider } from './provider/provider.ts';
import { offersWebSocket } from './proxy/websocket/handshake.ts';
import { createUpgradePipeline } from './upgrade-pipeline.ts';

/** A complete gateway without listeners. */
export type Gateway = {
  /** Handles the browser's requests; give it the server's `request` and `checkContinue` events. */
  app: RequestListener;
  /**
   * Options for the `createServer` of its server. Without them, and before Node.js 24.9, a request that offers another
   * protocol than WebSocket is refused instead of served over HTTP, and each request costs slightly more CPU.
   */
  serverOptions: ServerOptions;
  /** Handles the server's `upgrade` events. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Handles the admin listener's requests. */
  admin: RequestListener;
  /** Returns the checks and metrics of this process, for the admin listeners of its peer workers. */
  snapshot(): Promise<Snapshot>;
  /** Replaces the session secrets. The first one seals, all unseal, and sessions sealed with a removed one end: they are
   * searched for in the background, and their refresh tokens revoked. */
  replaceSecrets(secrets: readonly string[]): void;
  /** Replaces the client credentials with those of this section. */
  replaceClientCredentials(provider: Config['provider']): void;
  /** Starts to drain: reports not ready, closes WebSockets with 1001 and ends event streams. Still serves requests. */
  drain(): void;
  /** Finishes every refresh and revocation in flight; retries a failed revocation once. */
  settle(): Promise<void>;
  /** Settles, then closes the connections to the store, the provider and the upstreams. */
  close(): Promise<void>;
};

type ServerOptions = ExpressClasses & { shouldUpgradeCallback(request: IncomingMessage): boolean };

/** The dependencies that a caller may replace. */
type Overrides = { log?: Logger; clock?: () => number; peers?: PeerWorkers };

/**
 * The composition root: constructs every part and passes in its dependencies. It handles no requests. Only this file and
 * the `gateway` folder construct parts.
 */
export function createGateway(config: Config, { peers = noPeers, ...overrides }: Overrides = {}): Gateway {
  const core = createCore(config, overrides);
  const { log, clock, metrics, keyRing } = core;
  const { prefix } = config.login;
  const redirectUri = `${config.baseUrl}${prefix}/callback`;

  const backends = openBackends(core);
  const provider = createProvider({
    config: config.provider,
    redirectUri,
    sessionClaims: config.session.claims,
    refreshTimeoutMs: config.refresh.timeout,
    clock,
    log,
    metrics,
  });
  const loginUrl = `${prefix}/${hasLoginEndpoint(provider) ? 'login' : 'decoupled'}`;
  const sessionServices = createSessionServices(core, backends, provider);
  const { sessions, refresher, tickets } = sessionServices;
  const policies = createInboundPolicies(core, backends, {
    loginUrl,
    redirectLogin: provider.redirectLogin,
  });
  const { guard, accessLog, problems, navigationErrors } = policies;
  const handlers = createRequestHandlers(core, backends, sessionServices, policies);

  const app = createApp({
    accessLog: createAccessLogMiddleware(accessLog),
    guard: createGuardMiddleware(guard),
    authPrefix: prefix,
    auth: createAuthEndpoints({ core, backends, provider, sessionServices, policies, loginUrl, redirectUri }),
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

  const readiness = createReadiness({ ...backends, provider });
  const snapshot = async () => ({
    checks: await readiness.checks(),
    metrics: await metrics.registry.getMetricsAsJSON(),
  });
  const admin = createAdminListener({
    core,
    provider,
    sessions,
    async snapshots() {
      const own = metrics.registry.getMetricsAsJSON();
      const exchange = own.then(peers.exchangeSnapshots);
      const [checks, others] = await Promise.all([readiness.checks(), exchange]);
      return { own: { checks, metrics: await own }, peers: others };
    },
  });
  const drain = () => {
    readiness.drain();
    handlers.drain();
  };
  const settle = async () => {
    await refresher.settle();
    await sessions.settle();
  };

  let sessionSecrets: readonly string[] = config.session.secrets;

  provider.start();
  // For the log: an outage is logged elsewhere.
  void backends.missingRights().catch(() => undefined);

  return {
    app,
    serverOptions: { ...createExpressClasses(app), shouldUpgradeCallback: offersWebSocket },
    upgrade,
    snapshot,
    admin,

    replaceSecrets(secrets) {
      const removed = sessionSecrets.filter((secret) => !secrets.includes(secret));
      sessionSecrets = secrets;
      keyRing.replace(secrets);
      tickets.clearCache();
      if (removed.length > 0) void sessions.endSealedBy({ removed, remaining: secrets });
    },

    replaceClientCredentials(section) {
      if (provider.replaceCredentials === undefined) return;
      provider.replaceCredentials(section);
      log.info('client credentials reloaded');
    },

    drain,
    settle,

    async close() {
      drain();
      await settle();
      provider.close();
      backends.locks.close();
      await Promise.all([handlers.close(), backends.store.close()]);
    },
  };
}

/** True when users sign in at the login endpoint: by redirect, or with user name and password. */
function hasLoginEndpoint({ redirectLogin, passwordLogin }: Provider): boolean {
  return redirectLogin !== undefined || passwordLogin !== undefined;
}
