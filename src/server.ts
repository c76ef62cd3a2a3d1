import { createServer, type Server } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { noPeers, type PeerWorkers, type Snapshot } from './admin/snapshot.ts';
import type { Config } from './config/schema/schema.ts';
import { createGateway } from './gateway.ts';
import { createConnections } from './http/server/connections.ts';
import type { Logger } from './observability/log.ts';

/** The URLs of the public and the admin listener, as bound. */
export type Listeners = { readonly url: string; readonly adminUrl: string };

/** A gateway behind its two listeners. */
export type RunningServer = Listeners & {
  /** What this process says of itself. */
  snapshot(): Promise<Snapshot>;
  /** Puts the session secrets and the client credentials of another configuration in place. */
  replaceSecrets(config: Config): void;
  /** Stops accepting, finishes requests and refreshes in flight, closes WebSockets, and settles when all is done. */
  stop(): Promise<void>;
};

type Listen = Config['listen'];

/** How long a client may take to send the head of a request, and how often that is looked at, in milliseconds. */
const HEAD_TIMEOUT_MS = 30_000;
const HEAD_CHECK_MS = 5_000;
/** How long an idle connection of a client is kept: longer than balancers keep theirs (60 s is usual), in milliseconds. */
const KEEP_ALIVE_MS = 65_000;

/**
 * After how much of `shutdownTimeout` answers that are still coming are cut off: some have no end of their own, and what is
 * left of the time is for those that have not begun, and for refreshes and revocations.
 */
const CUT_OFF_AFTER = 0.9;

/** Starts a gateway and its listeners. Rejects when an address cannot be bound. */
export async function startServer(
  config: Config,
  log: Logger,
  peers: PeerWorkers = noPeers,
): Promise<RunningServer> {
  const gateway = createGateway(config, { log, peers });
  const server = createServer({
    ...gateway.serverOptions,
    headersTimeout: HEAD_TIMEOUT_MS,
    connectionsCheckingInterval: HEAD_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // How long a whole body may take is the route's matter: `timeout.idle`.
    requestTimeout: 0,
    requireHostHeader: true,
  });
  const connections = createConnections(server);
  server.on('request', gateway.app);
  // The gateway itself says "100 Continue", once it knows that it wants the body.
  server.on('checkContinue', gateway.app);
  server.on('upgrade', gateway.upgrade);
  const admin = createServer(gateway.admin);

  await listen(admin, config.admin.listen);
  await listen(server, config.listen);

  return {
    url: urlOf(server),
    adminUrl: urlOf(admin),
    snapshot: gateway.snapshot,
    replaceSecrets({ session, provider }) {
      gateway.replaceSecrets(session.secrets);
      gateway.replaceClientCredentials(provider);
    },
    async stop() {
      gateway.drain();
      const closed = close(server);
      connections.drain();
      const lastPart = setTimeout(() => {
        const answers = connections.abortResponses();
        if (answers > 0)
          log.warn({ answers }, 'shutdownTimeout is almost over; closed the responses still in progress');
        // Requests that nothing has come of yet are waited for to the end, and this not put off until then.
        void gateway.settle();
      }, config.shutdownTimeout * CUT_OFF_AFTER);
      await closed;
      clearTimeout(lastPart);
      await gateway.close();
      admin.closeAllConnections();
      await close(admin);
    },
  };
}

function listen(server: Server, { host, port }: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
  });
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('the server does not listen on a port');
  return `http://${hostOf(address)}:${address.port}`;
}

function hostOf({ address }: AddressInfo): string {
  return isIPv6(address) ? `[${address}]` : address;
}
