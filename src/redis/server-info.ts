import { Cluster } from 'ioredis';
import type { RedisConnection } from './connection.ts';

/** What a Redis server says about itself. */
export type ServerInfo = {
  readonly version: string;
  readonly hasAppendOnlyFile: boolean;
  /** `maxmemory-policy` */
  readonly evictionPolicy: string;
};

/** Reads the facts from `INFO`: of the server, or of every primary of a cluster. Throws `store_unavailable`. */
export async function readServerInfo(redis: RedisConnection): Promise<readonly ServerInfo[]> {
  const texts = await redis.run('info', (client) =>
    Promise.all((client instanceof Cluster ? client.nodes('master') : [client]).map((node) => node.info())),
  );
  return texts.map((text) => {
    const valueOf = (name: string) => new RegExp(`^${name}:(.+?)\\r?$`, 'm').exec(text)?.[1] ?? 'unknown';
    return {
      version: valueOf('redis_version'),
      hasAppendOnlyFile: valueOf('aof_enabled') === '1',
      evictionPolicy: valueOf('maxmemory_policy'),
    };
  });
}
