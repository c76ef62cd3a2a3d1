import type { Config } from './config/schema/schema.ts';
import { createLogger } from './observability/log.ts';
import { createMetrics } from './observability/metrics.ts';
import type { CheckResult } from './provider/check-result.ts';
import { createProvider, nameOf } from './provider/kinds.ts';
import type { RedisAddress } from './redis/client.ts';
import { createRedisConnection } from './redis/connection.ts';

/** Tests the configured store and provider. */
export async function checkDependencies(config: Config): Promise<readonly CheckResult[]> {
  const [store, provider] = await Promise.all([checkStore(config), checkProvider(config)]);
  return [store, ...provider];
}

async function checkStore({ session, log }: Config): Promise<CheckResult> {
  const name = 'store';
  if (session.store.kind === 'memory') {
    return { name, verdict: 'ok', detail: 'memory: sessions are lost when the process exits' };
  }
  const location = locationOf(session.store);
  const redis = createRedisConnection({
    address: session.store,
    log: createLogger({ ...log, level: 'fatal' }),
    metrics: createMetrics(),
  });
  try {
    const info = await redis.run('info', (client) => client.info('server'));
    const version = /^redis_version:(.+?)\r?$/m.exec(info)?.[1] ?? '(unknown version)';
    return { name, verdict: 'ok', detail: `Redis ${version} at ${location}` };
  } catch (error) {
    return { name, verdict: 'failed', detail: `Redis at ${location} cannot be used: ${reasonOf(error)}` };
  } finally {
    await redis.close();
  }
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

async function checkProvider(config: Config): Promise<readonly CheckResult[]> {
  const provider = createProvider({
    config: config.provider,
    redirectUri: `${config.baseUrl}${config.login.prefix}/callback`,
    refreshTimeoutMs: config.refresh.timeout,
    clock: Date.now,
    log: createLogger({ ...config.log, level: 'fatal' }),
    metrics: createMetrics(),
  });
  try {
    return await provider.diagnose();
  } catch (error) {
    const detail = `${nameOf(config.provider)} cannot be used: ${reasonOf(error)}`;
    return [{ name: 'provider', verdict: 'failed', detail }];
  } finally {
    provider.close();
  }
}

/** Returns the message of the root cause; libraries often wrap it ("fetch failed"). */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.cause instanceof Error) return reasonOf(error.cause);
  // For a host with several addresses, Node.js throws an AggregateError with a code and an empty message.
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
