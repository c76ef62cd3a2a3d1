import { Cluster, type Redis } from 'ioredis';
import type { RedisConnection } from '../../../redis/connection.ts';

/**
 * Counts the keys with an expiry in the database: what `INFO` says, which Redis knows without looking. Gives NaN when Redis
 * does not permit that.
 */
export function createRedisKeyCount(redis: RedisConnection): () => Promise<number> {
  return () =>
    redis.run('count', async (client) => {
      try {
        const nodes = client instanceof Cluster ? client.nodes('master') : [client];
        const counts = await Promise.all(nodes.map(countOn));
        return counts.reduce((sum, count) => sum + count, 0);
      } catch (error) {
        // A right that only this number needs must not look like an outage.
        if (error instanceof Error && error.message.startsWith('NOPERM')) return Number.NaN;
        throw error;
      }
    });
}

/** A database without keys is not listed. */
async function countOn(node: Redis): Promise<number> {
  const info = await node.info('keyspace');
  const pattern = new RegExp(`^db${node.options.db ?? 0}:keys=\\d+,expires=(\\d+)`, 'm');
  return Number(pattern.exec(info)?.[1] ?? 0);
}
