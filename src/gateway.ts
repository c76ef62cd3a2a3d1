import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { createAdmin } from './admin/admin.ts';
import { createReadiness } from './admin/readiness.ts';
import { createApp } from './app.ts';
import { createCallback } from './auth/callback.ts';
import { createLoginCookies } from './auth/login-cookies.ts';
import { createLogin } from './auth/login.ts';
import { createLogout } from './auth/logout.ts';
import { createReturnTo } from './auth/return-to.ts';
import { createAuthRouter } from './auth/router.ts';
import { createSession } from './auth/session.ts';
import type { Config } from './config/schema.ts';
import { createEnvelopes } from './crypto/envelope.ts';
import { createKeyRing, type KeyRing } from './crypto/key-ring.ts';
import { createSealedCookies } from './crypto/sealed-cookie.ts';
import { GatewayError } from './errors.ts';
import { createAccessLog, createAccessLogMiddleware } from './http/access-log.ts';
import { createClientAddress } from './http/client-address.ts';
import { createOriginPolicy } from './http/csrf.ts';
import { createGuard, createGuardMiddleware } from './http/guard.ts';
import { createHostCheck } from './http/host.ts';
import { createProblemMiddleware, logProblem } from './http/problem-middleware.ts';
import { createProblems } from './http/problem.ts';
import { createInertHeaders, createPageHeaders } from './http/security-headers.ts';
import { createLogger, type Logger } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createOidcProvider } from './provider/oidc.ts';
import { createApi } from './proxy/api.ts';
import { createBearers } from './proxy/bearer.ts';
import { createDevServer } from './proxy/dev-server.ts';
import { createPassages } from './proxy/passage.ts';
import { createRoutes } from './proxy/routes.ts';
import { createSpaFiles } from './proxy/spa.ts';
import { answerOnSocket, createUpgrades } from './proxy/upgrades.ts';
import { createUpstreams } from './proxy/upstreams.ts';
import { createRedisConnection } from './redis/connection.ts';
import { createLocalLocks, createRedisLocks, type Locks } from './redis/lock.ts';
import { createBreaker } from './refresh/breaker.ts';
import { createRefreshExchange } from './refresh/exchange.ts';
import { createRate } from './refresh/rate.ts';
import { createRefusals } from './refresh/refusals.ts';
import { createRefresher } from './refresh/refresher.ts';
import { createTurnstile } from './refresh/turnstile.ts';
import { createMemoryStore } from './sessions/memory-store.ts';
import { createReadCache } from './sessions/read-cache.ts';
import { createRecordCodec } from './sessions/record.ts';
import { createRedisStore } from './sessions/redis-store.ts';
import { createRevocations } from './sessions/revocation.ts';
import { isOver } from './sessions/session.ts';
import { createSessions } from './sessions/sessions.ts';
import type { SessionStore } from './sessions/store.ts';
import { createTickets } from './sessions/ticket.ts';
import { createUnsavedSessions } from './sessions/unsaved.ts';
import { createWatches } from './sessions/watches.ts';

/** A whole gateway, to be put behind listeners. */
export type Gateway = {
  /** Answers the browser's requests; give it the server's `request` and `checkContinue` events. */
  app: RequestListener;
  /** Takes the server's `upgrade` events. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Answers the admin listener's requests. */
  admin: RequestListener;
  /** Puts other session secrets in place: the first writes, all read, and a removed one ends what it sealed. */
  replaceSecrets(secrets: readonly string[]): void;
  /** Begins the end: not ready any more, WebSockets closed with 1001. Requests are still served. */
  drain(): void;
  /** Ends: finishes every refresh and revocation in flight, then lets go of the store, the provider and the upstreams. */
  close(): Promise<void>;
};

/** Puts the parts together. The only place where they are made; everything they need is handed to them. */
export function createGateway(
  config: Config,
  { log = createLogger(config.log), clock = Date.now }: { log?: Logger; clock?: () => number } = {},
): Gateway {
  if (config.admin.token !== undefined)
    log.warn('admin.token has no use yet: session administration is not in this version');
  const metrics = createMetrics();
  const { baseUrl, session, login } = config;
  const secure = baseUrl.startsWith('https:');
  const redirectUri = `${baseUrl}${login.prefix}/callback`;
  const loginUrl = `${login.prefix}/login`;

  const keyRing = createKeyRing(session.secrets);
  const { store, locks } = openStore({ config, keyRing, clock, log, metrics });
  const provider = createOidcProvider({
    config: config.provider,
    redirectUri,
    timeoutMs: config.refresh.timeout,
    clock,
    log,
    metrics,
  });

  const tickets = createTickets({
    seals: createSealedCookies(keyRing, 'session-cookie'),
    secure,
    sameSite: session.cookie.sameSite,
    remembered: session.cache.maxEntries,
  });
  const sessions = createSessions({
    store,
    cache: createReadCache({ store, clock, ...session.cache }),
    tickets,
    revocations: createRevocations({ provider, log }),
    unsaved: createUnsavedSessions({ store, isOver: (stored) => isOver(stored, clock()), log }),
    idleTimeout: session.idleTimeout,
    absoluteTimeout: session.absoluteTimeout,
    clock,
    log,
    metrics,
  });
  const breaker = createBreaker(clock);
  const refresher = createRefresher({
    sessions,
    exchange: createRefreshExchange({
      provider,
      breaker,
      turnstile: createTurnstile(config.refresh.maxConcurrent),
      retries: config.refresh.retries,
      clock,
      log,
      metrics,
    }),
    locks,
    breaker,
    rate: createRate({ perMinute: config.refresh.maxPerMinute, clock }),
    refusals: createRefusals(clock),
    ahead: config.refresh.ahead,
    lockWaitMs: config.refresh.lockTtl + config.refresh.timeout,
    waitMs: config.refresh.timeout,
    clock,
    log,
    metrics,
  });

  const guard = createGuard({
    hostCheck: createHostCheck(baseUrl, config.allowedHosts),
    clientAddress: createClientAddress(config.trustProxy),
    clock,
  });
  const accessLog = createAccessLog({ log, metrics, clock });
  const originPolicy = createOriginPolicy(baseUrl, config.csrf.mode);
  const problems = createProblems(loginUrl);
  const inertHeaders = createInertHeaders(secure);

  const loginCookies = createLoginCookies({
    seals: createSealedCookies(keyRing, 'login-cookie'),
    secure,
    clock,
  });
  const auth = createAuthRouter(
    {
      login: createLogin({
        provider,
        sessions,
        loginCookies,
        returnTo: createReturnTo(baseUrl, login.prefix),
        defaultReturnTo: login.defaultReturnTo,
        clock,
      }),
      callback: createCallback({ provider, sessions, loginCookies, redirectUri }),
      session: createSession({
        sessions,
        claims: session.claims,
        loginUrl,
        logoutUrl: `${login.prefix}/logout`,
        clock,
      }),
      logout: createLogout({
        provider,
        sessions,
        originPolicy,
        baseUrl,
        postLogoutReturnTo: login.postLogoutReturnTo,
      }),
    },
    inertHeaders,
  );

  const routes = createRoutes(config.routes);
  const upstreams = createUpstreams(routes.all);
  const bearers = createBearers({ sessions, refresher });
  const devServer = config.spa?.devServer === undefined ? undefined : createDevServer(config.spa.devServer);
  const app = createApp({
    accessLog: createAccessLogMiddleware(accessLog),
    guard: createGuardMiddleware(guard),
    authPrefix: login.prefix,
    auth,
    api: createApi({
      routes,
      originPolicy,
      bearers,
      passages: createPassages({ routes, upstreams, refresher, metrics, baseUrl }),
    }),
    spa:
      devServer?.handler ??
      (config.spa?.directory === undefined
        ? (_request, _response, next) => next()
        : createSpaFiles(config.spa.directory, createPageHeaders(secure))),
    notFound() {
      throw new GatewayError('not_found', { detail: 'Nothing is served at this path.' });
    },
    problem: createProblemMiddleware({ problems, headers: inertHeaders, log }),
  });

  const upgrades = createUpgrades({
    routes,
    originPolicy,
    bearers,
    watches: createWatches({ store, clock }),
    baseUrl,
    onAnswer: (status, exchange) => accessLog('GET', status, exchange),
    refuse(socket, error, exchange) {
      logProblem(log, error, exchange.requestId);
      accessLog('GET', error.status, exchange);
      answerOnSocket(socket, problems(error, exchange.requestId));
    },
  });
  const readiness = createReadiness({ store, provider });

  provider.start();

  return {
    app,

    upgrade(request, socket, head) {
      const exchange = guard.open(request);
      socket.on('error', () => socket.destroy());
      const open = async () => {
        guard.check(request, exchange);
        if (await upgrades.open(request, socket, head, exchange)) return;
        if (devServer === undefined)
          throw new GatewayError('not_found', { detail: 'No WebSocket is served here.' });
        originPolicy.checkUpgrade(request);
        devServer.upgrade(request, socket, head);
      };
      open().catch((error: unknown) => {
        logProblem(log, error, exchange.requestId);
        const problem = problems(error, exchange.requestId);
        accessLog(request.method, problem.status, exchange);
        answerOnSocket(socket, problem);
      });
    },

    admin: createAdmin({ readiness, metrics }),

    replaceSecrets(secrets) {
      keyRing.replace(secrets);
      tickets.forget();
    },

    drain() {
      readiness.drain();
      upgrades.closeAll();
    },

    async close() {
      readiness.drain();
      upgrades.closeAll();
      await refresher.settle();
      await sessions.settle();
      provider.close();
      locks.close();
      await Promise.all([upstreams.close(), store.close()]);
    },
  };
}

function openStore(deps: {
  config: Config;
  keyRing: KeyRing;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): { store: SessionStore; locks: Locks } {
  const { config, keyRing, clock, log, metrics } = deps;
  const { store: address, keyPrefix } = config.session;
  if (address.kind === 'memory') {
    log.warn(
      'sessions are kept in memory: they end with this process; set session.store to keep them in Redis',
    );
    metrics.storeUp(1);
    return { store: createMemoryStore({ clock }), locks: createLocalLocks() };
  }
  const redis = createRedisConnection({ address, log, metrics });
  const codec = createRecordCodec(createEnvelopes(keyRing));
  return {
    store: createRedisStore({ redis, codec, keyPrefix, clock, log }),
    locks: createRedisLocks({ redis, keyPrefix, ttlMs: config.refresh.lockTtl, log }),
  };
}
