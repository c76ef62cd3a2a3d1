import { Cluster, Redis } from 'ioredis';
import { backoffMs } from '../concurrency/backoff.ts';
import type { RedisAccess, StoreAddress } from '../config/values/store-address.ts';
import { REDIS_COMMAND_TIMEOUT_MS, REDIS_RECONNECT } from '../timing.ts';

/** Where Redis is. */
export type RedisAddress = Exclude<StoreAddress, { kind: 'memory' }>;

/** A client of ioredis 6, for one server, for the primary that Sentinels name, or for a cluster. */
export type RedisClient = Redis | Cluster;

const common = {
  connectTimeout: REDIS_COMMAND_TIMEOUT_MS,
  commandTimeout: REDIS_COMMAND_TIMEOUT_MS,
  // A connection on which nothing comes back is given up with the command: its host may be gone, and will never say so.
  socketTimeout: REDIS_COMMAND_TIMEOUT_MS,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // A primary that has become a replica answers READONLY (to a script of Redis 6, within an ERR): find the new one.
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
};

/** How often the nodes of a cluster are looked up, in milliseconds, besides whenever one of them sends us elsewhere. */
const NODES_REFRESH_MS = 5_000;

/** The options of a single connection that the two kinds of it differ in. */
type Persistence = {
  enableOfflineQueue: boolean;
  retryStrategy: ((attempt: number) => number) | null;
};

/**
 * Opens a client that connects now, and again whenever its connection is lost.
 *
 * It fails fast: nothing is queued while Redis is away, and nothing is sent twice after a reconnection, so that a
 * request learns of an outage at once and a script never runs a second time behind its caller's back.
 */
export function openClient(address: RedisAddress): RedisClient {
  if (address.kind === 'cluster') return openCluster(address);
  return openServer(address, { enableOfflineQueue: false, retryStrategy: reconnectDelayMs });
}

function openCluster(address: Extract<RedisAddress, { kind: 'cluster' }>): Cluster {
  const cluster = new Cluster(address.nodes, {
    redisOptions: { ...common, ...accessOf(address) },
    // Commands wait for a node that is just being connected to. They are not sent again when it has been lost, nor
    // when the cluster was down: by then their callers may have given up.
    enableOfflineQueue: true,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    clusterRetryStrategy: reconnectDelayMs,
    slotsRefreshTimeout: REDIS_COMMAND_TIMEOUT_MS,
    // Names are not turned into addresses, for which no certificate is made out.
    dnsLookup: (name, callback) => callback(null, name),
  });
  // The option for this, `slotsRefreshInterval`, goes on for ever in ioredis 6.0 when closed in the middle of a look.
  const timer = setInterval(() => cluster.refreshSlotsCache(), NODES_REFRESH_MS);
  timer.unref();
  cluster.once('end', () => clearInterval(timer));
  return cluster;
}

/**
 * Opens a connection for one subscription, which does not come back when it is lost. In a cluster it is to any node, since
 * each is told of every message; undefined while no node is known. Who subscribes opens another, perhaps to another node.
 */
export function openSubscriber(
  address: RedisAddress,
  client: RedisClient,
  attempt: number,
): Redis | undefined {
  if (address.kind !== 'cluster')
    return openServer(address, { enableOfflineQueue: true, retryStrategy: null });
  const nodes = client instanceof Cluster && client.status === 'ready' ? client.nodes('master') : [];
  const node = nodes[attempt % nodes.length];
  if (node === undefined) return undefined;
  const subscriber = node.duplicate({ lazyConnect: false });
  // A node that has been taken out of the cluster goes on answering, and is told of nothing any more.
  const leave = (gone: Redis) => {
    if (gone === node) subscriber.disconnect();
  };
  client.on('-node', leave);
  subscriber.once('end', () => client.off('-node', leave));
  return subscriber;
}

function openServer(address: Exclude<RedisAddress, { kind: 'cluster' }>, persistence: Persistence): Redis {
  const options = { ...common, ...persistence };
  if (address.kind === 'redis') return new Redis(address.url, options);
  const { sentinels, name, database, access } = address;
  return new Redis({
    ...options,
    ...accessOf(address),
    sentinels,
    name,
    db: database,
    enableTLSForSentinelMode: access.tls,
    ...(access.tls && { sentinelTLS: {} }),
    sentinelCommandTimeout: REDIS_COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: reconnectDelayMs,
    failoverDetector: true,
  });
}

function accessOf({ access }: { access: RedisAccess }) {
  const { tls, ...credentials } = access;
  return tls ? { ...credentials, tls: {} } : credentials;
}

/** Reconnection delays in milliseconds: 50, 100, 200 … up to one second, with jitter so that replicas spread out. */
export function reconnectDelayMs(attempt: number): number {
  return Math.round(backoffMs(attempt, REDIS_RECONNECT));
}
