import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { startMinuteHistory } from './admin/activity.ts';
import { createReadiness } from './admin/readiness.ts';
import { noPeers, type PeerWorkers, type Snapshot } from './admin/snapshot.ts';
import { createApps } from './app.ts';
import { withTimeout } from './concurrency/with-timeout.ts';
import { claimsInUse } from './config/claims-in-use.ts';
import { keepRestartKeys, warnOfRestartKeys } from './config/restart-keys.ts';
import type { Config } from './config/schema/schema.ts';
import { openBackends } from './gateway/backends.ts';
import { createCore, withConfig, type Core, type CoreOverrides } from './gateway/core.ts';
import { createGenerations, type Generation, type GenerationProvider } from './gateway/generation.ts';
import type { HostSessions } from './gateway/host-session.ts';
import { createStoreKeys } from './gateway/store-keys.ts';
import { createSharedState } from './gateway/shared-state.ts';
import type { UnreadableRequests } from './http/server/client-errors.ts';
import { recentProblems } from './observability/log.ts';
import type { ExpressClasses } from './performance/express-classes.ts';
import { configSchema } from './provider/read-config.ts';
import { addsRules, withdrawnBy } from './proxy/withdrawn-routes.ts';
import { offersWebSocket } from './proxy/websocket/handshake.ts';

/** A complete gateway without listeners. */
export type Gateway = HostSessions & {
  /** Handles the browser's requests; give it the server's `request` and `checkContinue` events. */
  app: RequestListener;
  /**
   * Options for the `createServer` of its server. Without them, and before Node.js 24.9, a request that offers another
   * protocol than WebSocket is refused instead of served over HTTP, and each request costs slightly more CPU.
   */
  serverOptions: ServerOptions;
  /** Logs requests that the server cannot parse, and builds the responses to them. */
  unreadableRequests: UnreadableRequests;
  /** Handles the server's `upgrade` events. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Handles the admin listener's requests. */
  admin: RequestListener;
  /** Returns the checks and metrics of this process, for the admin listeners of its peer workers. */
  snapshot(): Promise<Snapshot>;
  /**
   * Applies another configuration to the requests that come from now on; those in progress end under the former one. Keys
   * that need a restart keep their values, and a warning names them. Sessions that a removed secret seals end: they are
   * searched for in the background, and their refresh tokens revoked. Settles once the new configuration is in force, which
   * waits for the discovery of a changed provider. Rejects when it cannot be applied; the former one then stays in force.
   */
  reload(config: Config): Promise<void>;
  /** Counts a reload whose configuration was invalid. */
  reloadFailed(): void;
  /** Reports not ready, so that load balancers send their requests to others. */
  announceStop(): void;
  /** Starts to drain: reports not ready, closes WebSockets with 1001 and ends event streams. Still serves requests. */
  drain(): void;
  /** Finishes every refresh and revocation in flight; retries a failed revocation once. */
  settle(): Promise<void>;
  /** Settles, then closes the connections to the store, the provider and the upstreams. */
  close(): Promise<void>;
};

type ServerOptions = ExpressClasses & { shouldUpgradeCallback(request: IncomingMessage): boolean };

/** The dependencies that a caller may replace. */
type Overrides = CoreOverrides & { peers?: PeerWorkers };

/**
 * The composition root: constructs every part and passes in its dependencies. It handles no requests. Only this file and
 * the `gateway` folder construct parts.
 */
export function createGateway(config: Config, { peers = noPeers, ...overrides }: Overrides = {}): Gateway {
  const core = createCore(config, () => currentConfig(), overrides);
  const { log, metrics, audit, keyRing, signingKeys, clock } = core;
  const currentConfig = () => current.core.config;
  const currentProvider = () => current.provider;

  const backends = openBackends(core, currentConfig);
  const shared = createSharedState(core, backends, { config: currentConfig, provider: currentProvider });
  const apps = createApps();
  const readiness = createReadiness({ ...backends, provider: currentProvider });
  const history = startMinuteHistory({ read: () => metrics.registry.getMetricsAsJSON(), clock });
  const snapshot = async () => ({
    checks: readiness.checks(),
    metrics: await metrics.snapshot(),
    activity: {
      minutes: history.minutes,
      bounds: history.bounds,
      problems: recentProblems(log),
      audit: audit.recent(),
    },
  });
  const generations = createGenerations({
    backends,
    shared,
    apps,
    async snapshots(reader) {
      const own = await snapshot();
      return { own, peers: await peers.collectSnapshots(own.metrics, reader) };
    },
  });
  /** What serves new requests. A reload replaces it in one assignment. */
  let current: Generation = generations.create(core, generations.providerOf(core));

  metrics.readFrom({
    openWebSockets: shared.tunnels.count,
    storeKeys: createStoreKeys(backends.store),
    breakers: () => current.breakers(),
  });

  const drain = () => {
    readiness.drain();
    shared.tunnels.closeAll();
    shared.eventStreams.cutOff();
  };
  const settle = async () => {
    await shared.refreshes.settle();
    await shared.clientTokenRenewals.settle();
    await shared.backgroundTasks.settle();
    await shared.revocations.settle();
  };

  const apply = async (next: Config) => {
    const { config: applied, kept } = keepRestartKeys(configSchema, currentConfig(), next);
    warnOfRestartKeys(log, kept);
    const nextCore = withConfig(core, applied);
    const found = await findProvider(nextCore);
    replaceCurrent(generations.create(nextCore, found, current));
  };
  /** Requests go on with the former provider until a changed one is found. */
  const findProvider = async (nextCore: Core): Promise<GenerationProvider> => {
    const next = generations.providerOf(nextCore, current);
    if (next.provider === current.provider) return next;
    await withTimeout(next.provider.start(), nextCore.config.provider.timeout);
    if (next.provider.state() !== 'unknown') return next;
    next.provider.retire();
    const reason = next.provider.notReadyReason() ?? 'it did not respond in time';
    next.provider.close();
    throw new Error(`the changed provider cannot be used: ${reason}`);
  };
  const replaceCurrent = (next: Generation) => {
    const former = current;
    const { session, keys } = next.core.config;
    // Before new requests ask for them: the sessions in memory lack the claims that only the new rules need.
    if (core.claimSelection.include(claimsInUse(next.core.config))) shared.cache.clear();
    const removed = former.core.config.session.secrets.filter((secret) => !session.secrets.includes(secret));
    current = next;
    keyRing.replace(session.secrets);
    backends.peerKeys.announce();
    audit.configure(next.core.config.audit);
    signingKeys.replace(keys);
    shared.cache.configure(session.cache);
    next.sessionServices.tickets.clearCache();
    if (former.provider !== next.provider) former.provider.retire();
    if (former.routing !== next.routing) {
      former.routing.upstreams.retire();
      const isWithdrawn = withdrawnBy(next.routing.routes, {
        hasStricterSignIn: addsRules(next.core.config.login.require, former.core.config.login.require),
      });
      shared.tunnels.closeWithdrawn(isWithdrawn);
      shared.eventStreams.cutOffWithdrawn(isWithdrawn);
    }
    if (removed.length > 0) {
      const { sessions } = next.sessionServices;
      void shared.backgroundTasks.track(sessions.endSealedBy({ removed, remaining: session.secrets }));
    }
  };
  /** The last reload: each one begins when the one before has ended. */
  let lastReload: Promise<unknown> = Promise.resolve();

  void current.provider.start();
  readiness.start();

  return {
    app: (request, response) => current.app(request, response),
    serverOptions: { ...apps.classes, shouldUpgradeCallback: offersWebSocket },
    upgrade: (...upgrade) => current.upgrade(...upgrade),
    unreadableRequests: (request) => current.unreadableRequests(request),
    snapshot,
    admin: (request, response) => current.admin(request, response),
    session: (request) => current.hostSessions.session(request),
    accessToken: (...wanted) => current.hostSessions.accessToken(...wanted),

    async reload(reloaded) {
      const applied = lastReload.then(() => apply(reloaded));
      lastReload = applied.catch(() => undefined);
      try {
        await applied;
        metrics.configReloaded('success');
      } catch (error) {
        metrics.configReloaded('failure');
        throw error;
      }
    },
    reloadFailed: () => metrics.configReloaded('failure'),

    announceStop: readiness.drain,
    drain,
    settle,

    async close() {
      drain();
      await settle();
      current.provider.close();
      backends.locks.close();
      backends.peerKeys.close();
      current.routing.upstreams.close();
      await backends.store.close();
      history.stop();
      await core.tracing?.close();
      metrics.close();
    },
  };
}
