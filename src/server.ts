import { chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { isIPv6, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { noPeers, type PeerWorkers, type Snapshot } from './admin/snapshot.ts';
import type { Config } from './config/schema/schema.ts';
import { createGateway } from './gateway.ts';
import { createConnections } from './http/server/connections.ts';
import { respondToClientErrors } from './http/server/client-errors.ts';
import { hasCertificate, listenerTlsOptions } from './http/server/listener-tls.ts';
import type { Logger } from './observability/log.ts';

/** The URLs of the public and the admin listener, as bound. */
export type Listeners = { readonly url: string; readonly adminUrl: string };

/** A gateway with its two listeners. */
export type RunningServer = Listeners & {
  /** Returns the checks and metrics of this process. */
  snapshot(): Promise<Snapshot>;
  /** Applies another configuration, as `Gateway.reload` does. */
  reload(config: Config): Promise<void>;
  /** Counts a reload whose configuration was invalid. */
  reloadFailed(): void;
  /** After `shutdownDelay`, stops accepting, closes WebSockets, finishes the requests and refreshes in flight, and settles. */
  stop(): Promise<void>;
};

type Listen = Config['listen'];

/** How long a client may take to send a request head, and how often the server checks that, in milliseconds. */
const HEAD_TIMEOUT_MS = 30_000;
const HEAD_CHECK_MS = 5_000;
/** How long an idle client connection stays open, in milliseconds: longer than load balancers keep theirs (usually 60 s). */
const KEEP_ALIVE_MS = 65_000;

/**
 * The fraction of `shutdownTimeout` after which unfinished responses are aborted, because some never end by themselves. The
 * rest of the time is for responses that have not started, refreshes and revocations.
 */
const ABORT_RESPONSES_AFTER = 0.9;

/** Starts a gateway and its listeners. Rejects when an address cannot be bound. */
export async function startServer(
  config: Config,
  log: Logger,
  peers: PeerWorkers = noPeers,
): Promise<RunningServer> {
  const gateway = createGateway(config, { log, peers });
  let { shutdownTimeout, shutdownDelay } = config;
  const options = {
    ...gateway.serverOptions,
    headersTimeout: HEAD_TIMEOUT_MS,
    connectionsCheckingInterval: HEAD_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The route's `timeout.idle` limits slow bodies instead.
    requestTimeout: 0,
    // The guard requires it, so that its error is like any other.
    requireHostHeader: false,
  };
  const secureServer = hasCertificate(config.tls)
    ? createSecureServer({ ...options, ...listenerTlsOptions(config.tls) })
    : undefined;
  const server = secureServer ?? createServer(options);
  const connections = createConnections(server);
  respondToClientErrors(server, connections, gateway.unreadableRequests);
  server.on('request', gateway.app);
  // The gateway sends 100 Continue itself, once it wants the body.
  server.on('checkContinue', gateway.app);
  server.on('upgrade', gateway.upgrade);
  const admin = createServer(gateway.admin);

  await listen(admin, config.admin.listen);
  await listen(server, config.listen);

  /** Throws before anything of a reload has changed. */
  const secureContextOf = ({ tls }: Config) => {
    try {
      return hasCertificate(tls) ? listenerTlsOptions(tls) : undefined;
    } catch (error) {
      gateway.reloadFailed();
      throw error;
    }
  };

  return {
    url: urlOf(server),
    adminUrl: urlOf(admin),
    snapshot: gateway.snapshot,
    async reload(next) {
      const isSecure = hasCertificate(next.tls);
      const secureContext = secureContextOf(next);
      await gateway.reload(next);
      if (isSecure !== (secureServer !== undefined))
        log.warn({ keys: ['tls'] }, 'turning TLS on or off needs a restart; keeping the listener as it is');
      // Connections that are open keep the certificate that they were opened with.
      else if (secureContext !== undefined) secureServer?.setSecureContext(secureContext);
      ({ shutdownTimeout, shutdownDelay } = next);
      log.level = next.log.level;
    },
    reloadFailed: gateway.reloadFailed,
    async stop() {
      const abortAtMs = performance.now() + shutdownTimeout * ABORT_RESPONSES_AFTER;
      gateway.announceStop();
      if (shutdownDelay > 0) await sleep(shutdownDelay);
      gateway.drain();
      const closed = close(server);
      connections.drain();
      const abortTimer = setTimeout(() => {
        const aborted = connections.abortResponses();
        if (aborted > 0)
          log.warn(
            { responses: aborted },
            'shutdownTimeout is almost over; closed the responses still in progress',
          );
        // Requests without a response may still run until the end; refreshes and revocations do not wait for them.
        void gateway.settle();
      }, abortAtMs - performance.now());
      await closed;
      clearTimeout(abortTimer);
      await gateway.close();
      admin.closeAllConnections();
      await close(admin);
    },
  };
}

async function listen(server: Server, { host, port, socketPath, mode }: Listen): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath === undefined ? { host, port } : { path: socketPath }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // A new socket file has the permissions that the umask leaves: usually only its owner may connect.
  if (socketPath !== undefined) await chmod(socketPath, mode);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
  });
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null) throw new Error('the server does not listen');
  if (typeof address === 'string') return `unix:${address}`;
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return `${scheme}://${hostOf(address)}:${address.port}`;
}

function hostOf({ address }: AddressInfo): string {
  return isIPv6(address) ? `[${address}]` : address;
}
