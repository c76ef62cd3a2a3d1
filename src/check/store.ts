import type { Config } from '../config/schema/schema.ts';
import { createLogger } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import type { RedisAddress } from '../redis/client.ts';
import { createRedisConnection, NotConnectedError } from '../redis/connection.ts';
import { type Rights, testRights } from '../redis/rights.ts';
import { readServerInfo, type ServerInfo } from '../redis/server-info.ts';
import { causesOf } from './reason.ts';
import { explainStore } from './store-failure.ts';

/** Tests the configured store: its rights, persistence and eviction policy. Changes nothing in it. */
export async function checkStore({ session, log }: Config): Promise<readonly CheckResult[]> {
  const { store, keyPrefix } = session;
  if (store.kind === 'memory')
    return [checkResult('store', 'ok', 'memory: sessions are lost when the process exits')];
  const location = locationOf(store);
  const redis = createRedisConnection({
    address: store,
    access: session,
    log: createLogger({ ...log, level: 'fatal' }),
    metrics: createMetrics(),
  });
  try {
    const rights = await onceConnected(() => testRights(redis, keyPrefix));
    const servers = rights.missing.includes('+info') ? [] : await readServerInfo(redis);
    const products = distinct(servers, ({ product }) => product);
    return [
      checkResult('store', 'ok', `${products.join(' and ') || 'Redis'} at ${location}`),
      rightsResult(rights),
      ...(servers.length === 0 ? [] : [persistenceResult(servers), evictionResult(servers)]),
    ];
  } catch (error) {
    const reason = await explainStore(error, store, session);
    return [checkResult('store', 'failed', `Redis at ${location} cannot be used: ${reason}`)];
  } finally {
    await redis.close();
  }
}

/** How often an operation waits for the connection, each time as long as an operation of the gateway does. */
const MAX_WAITS = 4;

/** Repeats an operation that fails without an error of the connection: on a machine under load, connecting takes longer. */
export async function onceConnected<Result>(
  operation: () => Promise<Result>,
  waits = MAX_WAITS,
): Promise<Result> {
  try {
    return await operation();
  } catch (error) {
    const isConnecting = causesOf(error).at(-1) instanceof NotConnectedError;
    if (!isConnecting || waits === 1) throw error;
    return onceConnected(operation, waits - 1);
  }
}

function rightsResult({ missing, refusal }: Rights): CheckResult {
  if (missing.length > 0) {
    const detail = `the Redis user lacks ${missing.join(' ')}; grant them with ACL SETUSER`;
    return checkResult('rights', 'failed', detail);
  }
  if (refusal !== undefined) return checkResult('rights', 'failed', `Redis refuses ${refusal}`);
  return checkResult('rights', 'ok', 'every command, key and channel that the gateway uses');
}

function persistenceResult(servers: readonly ServerInfo[]): CheckResult {
  if (servers.every(({ hasAppendOnlyFile }) => hasAppendOnlyFile))
    return checkResult('persistence', 'ok', 'aof_enabled 1: an append-only file');
  const detail =
    'aof_enabled 0: a restart of Redis loses its last writes, and sessions with one-time refresh tokens end; set appendonly yes';
  return checkResult('persistence', 'warning', detail);
}

function evictionResult(servers: readonly ServerInfo[]): CheckResult {
  const evicting = distinct(servers, ({ evictionPolicy }) => evictionPolicy).filter(
    (policy) => policy !== 'noeviction',
  );
  if (evicting.length === 0) return checkResult('eviction', 'ok', 'maxmemory-policy noeviction');
  const detail = `maxmemory-policy ${evicting.join(', ')}: a full Redis deletes sessions; set noeviction`;
  return checkResult('eviction', 'failed', detail);
}

function distinct(servers: readonly ServerInfo[], valueOf: (server: ServerInfo) => string): string[] {
  return [...new Set(servers.map(valueOf))];
}

/** Names the servers of an address, without credentials. */
function locationOf(address: RedisAddress): string {
  const list = (nodes: readonly { host: string; port: number }[]) =>
    nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
  switch (address.kind) {
    case 'redis':
      return new URL(address.url).host;
    case 'sentinel':
      return `${address.name} through Sentinels ${list(address.sentinels)}`;
    case 'cluster':
      return `cluster ${list(address.nodes)}`;
  }
}
