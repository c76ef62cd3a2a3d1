import { Cluster, Redis } from 'ioredis';
import { backoffMs } from '../concurrency/backoff.ts';
import type { RedisAccess } from '../config/schema/redis-access.ts';
import { tlsOptions, type ClientTls } from '../config/schema/tls.ts';
import type { StoreAddress } from '../config/values/store-address.ts';
import { REDIS_COMMAND_TIMEOUT_MS, REDIS_RECONNECT } from '../timing.ts';

/** The address of Redis: a server, Sentinels or a cluster. */
export type RedisAddress = Exclude<StoreAddress, { kind: 'memory' }>;

/** An ioredis 6 client for one server, for the primary that Sentinels name, or for a cluster. */
export type RedisClient = Redis | Cluster;

const common = {
  connectTimeout: REDIS_COMMAND_TIMEOUT_MS,
  commandTimeout: REDIS_COMMAND_TIMEOUT_MS,
  // Closes a connection on which no reply arrives: its host may be gone without a reset.
  socketTimeout: REDIS_COMMAND_TIMEOUT_MS,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // A primary that has become a replica replies READONLY (Redis 6: within an ERR, for a script). Reconnecting finds the new one.
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
};

/** The time between two refreshes of the cluster's nodes, in milliseconds; a redirection refreshes them as well. */
const NODES_REFRESH_MS = 5_000;

/** The options in which commands and subscriptions differ. */
type Persistence = {
  enableOfflineQueue: boolean;
  retryStrategy: ((attempt: number) => number) | null;
};

/**
 * Opens a client that connects at once and reconnects whenever the connection is lost.
 *
 * The client fails fast: it queues no command while Redis is unavailable and repeats none after a reconnection. A request
 * learns of an outage at once, and a script never runs twice for one call.
 */
export function openClient(address: RedisAddress, access: RedisAccess): RedisClient {
  if (address.kind === 'cluster') return openCluster(address, access);
  return openServer(address, access, { enableOfflineQueue: false, retryStrategy: reconnectDelayMs });
}

function openCluster(address: Extract<RedisAddress, { kind: 'cluster' }>, access: RedisAccess): Cluster {
  const cluster = new Cluster(address.nodes, {
    redisOptions: { ...common, ...accessOf(address, access) },
    // Commands wait for a node that is still connecting. They are not repeated after a failover or a cluster outage: the
    // caller may have given up by then.
    enableOfflineQueue: true,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    clusterRetryStrategy: reconnectDelayMs,
    slotsRefreshTimeout: REDIS_COMMAND_TIMEOUT_MS,
    // Keeps host names, because TLS certificates are not issued for addresses.
    dnsLookup: (name, callback) => callback(null, name),
  });
  // In ioredis 6.0, `slotsRefreshInterval` never stops if the client is closed during a refresh.
  const timer = setInterval(() => cluster.refreshSlotsCache(), NODES_REFRESH_MS);
  timer.unref();
  cluster.once('end', () => clearInterval(timer));
  return cluster;
}

/**
 * Opens a connection for one subscription. The connection does not reconnect; the caller opens another one. In a cluster,
 * every node receives every message: `attempt` selects the node, and the result is undefined while no node is known.
 */
export function openSubscriber(
  address: RedisAddress,
  access: RedisAccess,
  client: RedisClient,
  attempt: number,
): Redis | undefined {
  if (address.kind !== 'cluster')
    return openServer(address, access, { enableOfflineQueue: true, retryStrategy: null });
  const nodes = client instanceof Cluster && client.status === 'ready' ? client.nodes('master') : [];
  const node = nodes[attempt % nodes.length];
  if (node === undefined) return undefined;
  const subscriber = node.duplicate({ lazyConnect: false });
  // A node that was removed from the cluster stays reachable but receives no messages.
  const handleNodeRemoved = (removed: Redis) => {
    if (removed === node) subscriber.disconnect();
  };
  client.on('-node', handleNodeRemoved);
  subscriber.once('end', () => client.off('-node', handleNodeRemoved));
  return subscriber;
}

function openServer(
  address: Exclude<RedisAddress, { kind: 'cluster' }>,
  access: RedisAccess,
  persistence: Persistence,
): Redis {
  const options = { ...common, ...persistence, ...accessOf(address, access) };
  const server =
    address.kind === 'redis'
      ? new Redis(address.url, options)
      : new Redis({ ...options, ...sentinelOptions(address, access) });
  // SECURITY: ioredis 6 goes on with database 0 when Redis refuses the configured one, and would mix two deployments there.
  server.on('error', (error) => {
    if (isDatabaseRefusal(error)) server.disconnect(true);
  });
  return server;
}

function sentinelOptions(
  { sentinels, name, database, access: { tls: isSecure } }: Extract<RedisAddress, { kind: 'sentinel' }>,
  { tls, sentinelUsername, sentinelPassword }: RedisAccess,
) {
  return {
    sentinels,
    name,
    db: database,
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    enableTLSForSentinelMode: isSecure,
    ...(isSecure && { sentinelTLS: socketTls(tls) }),
    sentinelCommandTimeout: REDIS_COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: reconnectDelayMs,
    failoverDetector: true,
  };
}

/** True when Redis refuses the database of the address: it has fewer, or the user may not select one. */
export function isDatabaseRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !('command' in error)) return false;
  const { command } = error;
  return typeof command === 'object' && command !== null && 'name' in command && command.name === 'select';
}

/** The credentials of the address or of the keys beside it; the configuration has no credential in both. */
function accessOf(address: RedisAddress, { username, password, tls }: RedisAccess) {
  const inAddress = address.kind === 'redis' ? { tls: address.url.startsWith('rediss:') } : address.access;
  const { tls: isSecure, ...credentials } = inAddress;
  return {
    ...credentials,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(isSecure && { tls: socketTls(tls) }),
  };
}

/**
 * ioredis listens for one error of a socket. A TLS socket can emit two: the server's certificate is rejected, and the server's
 * alert about the connection closed meanwhile arrives before the socket is closed. Without a listener, the second one ends
 * the process. Node.js listens to the errors of a socket that has a signal as long as the socket exists.
 */
const { signal } = new AbortController();

function socketTls(tls: ClientTls) {
  return { ...tlsOptions(tls), signal };
}

/** Reconnection delays in milliseconds: 50, 100, 200 … up to one second, with jitter so that replicas spread out. */
export function reconnectDelayMs(attempt: number): number {
  return Math.round(backoffMs(attempt, REDIS_RECONNECT));
}
