import { Cluster, Redis } from 'ioredis';
import type { RedisAccess, StoreAddress } from '../config/store-address.ts';

/** Where Redis is. */
export type RedisAddress = Exclude<StoreAddress, { kind: 'memory' }>;

/** A client of ioredis 6, for one server, for the primary that Sentinels name, or for a cluster. */
export type RedisClient = Redis | Cluster;

/** How long one operation may take before it counts as an outage, in milliseconds; also the first connection. */
export const COMMAND_TIMEOUT_MS = 2_000;

const common = {
  connectTimeout: COMMAND_TIMEOUT_MS,
  commandTimeout: COMMAND_TIMEOUT_MS,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // A primary that has become a replica answers READONLY: connect anew, and find the new one.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
};

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
  if (address.kind === 'cluster') {
    return new Cluster(address.nodes, {
      redisOptions: { ...common, ...accessOf(address) },
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelayMs,
      slotsRefreshTimeout: COMMAND_TIMEOUT_MS,
    });
  }
  return openServer(address, { enableOfflineQueue: false, retryStrategy: reconnectDelayMs });
}

/**
 * Opens a connection for one subscription, to any node: a cluster passes every published message to all of them. It does
 * not come back when it is lost; who subscribes opens another, perhaps to another node.
 */
export function openSubscriber(address: RedisAddress, attempt: number): Redis {
  const persistence = { enableOfflineQueue: true, retryStrategy: null };
  if (address.kind !== 'cluster') return openServer(address, persistence);
  const node = address.nodes[attempt % address.nodes.length];
  return new Redis({ ...common, ...persistence, ...accessOf(address), ...node });
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
  const ceiling = Math.min(1_000, 50 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(ceiling * (0.75 + Math.random() / 4));
}
