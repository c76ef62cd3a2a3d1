import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { createAdmin } from './admin/admin.ts';
import { createReadiness } from './admin/readiness.ts';
import { createSessionPages } from './admin/session-endpoints.ts';
import { noPeers, type PeerWorkers, type Snapshot } from './admin/snapshot.ts';
import { createApp } from './app.ts';
import type { Config } from './config/schema/schema.ts';
import { GatewayError } from './errors.ts';
import { createAuthEndpoints } from './gateway/auth-endpoints.ts';
import { createInboundPolicies } from './gateway/inbound-policies.ts';
import { createCore } from './gateway/core.ts';
import { createSessionServices } from './gateway/session-services.ts';
import { openBackends } from './gateway/backends.ts';
import { createRequestHandlers } from './gateway/request-handlers.ts';
import { createAccessLogMiddleware } from './http/access-log.ts';
import { createExpressClasses, type ExpressClasses } from './performance/express-classes.ts';
import { createGuardMiddleware } from './http/inbound/guard.ts';
import { createProblemMiddleware } from './http/problem/middleware.ts';
import { createInertHeaders } from './http/security-headers.ts';
import type { Logger } from './observability/log.ts';
import { createProvider } from './provider/kinds.ts';
import type { Provider } from './provider/provider.ts';
import { offersWebSocket } from './proxy/websocket/handshake.ts';

/** A whole gateway, to be put behind listeners. */
export type Gateway = {
  /** Answers the browser's requests; give it the server's `request` and `checkContinue` events. */
  app: RequestListener;
  /**
   * Options for the `createServer` of its server. Without them, and before Node.js 24.9, a request that offers to go on in
   * another protocol than WebSocket is refused, not answered in HTTP; and `app` has a little more work.
   */
  serverOptions: ServerOptions;
  /** Takes the server's `upgrade` events. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Answers the admin listener's requests. */
  admin: RequestListener;
  /** What this process says of itself, for the admin listener of another that serves beside it. */
  snapshot(): Promise<Snapshot>;
  /** Puts other session secrets in place: the first writes, all read, and a removed one ends what it sealed. */
  replaceSecrets(secrets: readonly string[]): void;
  /** Proves itself at the provider by the client credentials of this section from now on. */
  replaceClientCredentials(provider: Config['provider']): void;
  /** Begins the end: not ready any more, WebSockets closed with 1001, event streams cut off. Requests are still served. */
  drain(): void;
  /** Finishes every refresh and revocation in flight; a revocation that had failed is tried once more, and no more. */
  settle(): Promise<void>;
  /** Ends: settles, then lets go of the store, the provider and the upstreams. */
  close(): Promise<void>;
};

type ServerOptions = ExpressClasses & { shouldUpgradeCallback(request: IncomingMessage): boolean };

/** What a gateway may be given besides its configuration. */
type Surroundings = { log?: Logger; clock?: () => number; siblings?: PeerWorkers };

/**
 * Puts the parts together; everything they need is handed to them. This file and the folder of its name are the only place
 * where parts are made.
 */
export function createGateway(
  config: Config,
  { siblings = noPeers, ...surroundings }: Surroundings = {},
): Gateway {
  const ground = createCore(config, surroundings);
  const { log, clock, metrics, keyRing } = ground;
  const { prefix } = config.login;
  const redirectUri = `${config.baseUrl}${prefix}/callback`;

  const state = openBackends(ground);
  const provider = createProvider({
    config: config.provider,
    redirectUri,
    refreshTimeoutMs: config.refresh.timeout,
    clock,
    log,
    metrics,
  });
  const loginUrl = `${prefix}/${isBegunByLogin(provider) ? 'login' : 'decoupled'}`;
  const keeping = createSessionServices(ground, state, provider);
  const { sessions, refresher, tickets } = keeping;
  const entry = createInboundPolicies(ground, state, loginUrl);
  const traffic = createRequestHandlers(ground, state, keeping, entry);

  const app = createApp({
    accessLog: createAccessLogMiddleware(entry.accessLog),
    guard: createGuardMiddleware(entry.guard),
    authPrefix: prefix,
    auth: createAuthEndpoints({ ground, state, provider, keeping, entry, loginUrl, redirectUri }),
    api: traffic.api,
    spa: traffic.spa,
    notFound() {
      throw new GatewayError('not_found', { detail: 'Nothing is served at this path.' });
    },
    problem: createProblemMiddleware({
      problems: entry.problems,
      headers: createInertHeaders(ground.secure),
      log,
    }),
  });

  const readiness = createReadiness({ store: state.store, provider });
  const snapshot = async () => ({
    checks: await readiness.checks(),
    metrics: await metrics.registry.getMetricsAsJSON(),
  });
  const drain = () => {
    readiness.drain();
    traffic.drain();
  };

  const settle = async () => {
    await refresher.settle();
    await sessions.settle();
  };

  provider.start();

  return {
    app,
    serverOptions: { ...createExpressClasses(app), shouldUpgradeCallback: offersWebSocket },
    upgrade: traffic.upgrade,
    snapshot,
    admin: createAdmin({
      async snapshots() {
        const [own, others] = await Promise.all([snapshot(), siblings.snapshots()]);
        return [own, ...others];
      },
      guarded: createSessionPages({
        sessions,
        issuer: provider.issuer,
        idleTimeout: config.session.idleTimeout,
      }),
      token: config.admin.token,
    }),

    replaceSecrets(secrets) {
      keyRing.replace(secrets);
      tickets.forget();
    },

    replaceClientCredentials(section) {
      if (provider.replaceCredentials === undefined) return;
      provider.replaceCredentials(section);
      log.info('client credentials read anew');
    },

    drain,
    settle,

    async close() {
      drain();
      await settle();
      provider.close();
      state.locks.close();
      await Promise.all([traffic.close(), state.store.close()]);
    },
  };
}

/** Tells whether people of this provider sign in at the login endpoint: by redirect, or by name and password. */
function isBegunByLogin({ redirectLogin, passwordLogin }: Provider): boolean {
  return redirectLogin !== undefined || passwordLogin !== undefined;
}
