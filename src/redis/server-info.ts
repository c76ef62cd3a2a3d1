import { Cluster } from 'ioredis';
import type { RedisConnection } from './connection.ts';

/** What a Redis server says about itself. */
export type ServerInfo = {
  /** Name and version, such as `Redis 7.2.4`. */
  readonly product: string;
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
    const find = (name: string) => new RegExp(`^${name}:(.+?)\\r?$`, 'm').exec(text)?.[1];
    const valueOf = (name: string) => find(name) ?? 'unknown';
    // In Valkey, `redis_version` is the version of Redis that it is compatible with.
    const valkey = find('valkey_version');
    return {
      product: valkey === undefined ? `Redis ${valueOf('redis_version')}` : `Valkey ${valkey}`,
      hasAppendOnlyFile: valueOf('aof_enabled') === '1',
      evictionPolicy: valueOf('maxmemory_policy'),
    };
  });
}
