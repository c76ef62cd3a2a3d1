import { type RedisServer, startRedis } from '../testkit/redis-server.ts';
import type { Closing } from './cleanup.ts';
import { type Coatcheck, type CoatcheckOptions, startCoatcheck } from './coatcheck.ts';
import type { LoadShape } from './load/load.ts';
import { type Part, startPart } from './worker.ts';
import type { ProviderShape } from './workers/provider.ts';
import type { UpstreamShape } from './workers/upstream.ts';
import { openTemporaryDirectory } from './temporary-directory.ts';

/** What every measurement needs, each in a process of its own, outside of what is measured. */
export type Stage = Closing & {
  readonly load: Part<LoadShape>;
  readonly upstream: Part<UpstreamShape>;
  readonly upstreamUrl: string;
  readonly provider: Part<ProviderShape>;
  readonly redis: RedisServer;
  /** Starts a gateway before the upstream of this stage and with its Redis, unless it is given others. */
  coatcheck(
    options: Omit<CoatcheckOptions, 'provider' | 'directory' | 'redisUrl' | 'upstream'> &
      Partial<Pick<CoatcheckOptions, 'redisUrl' | 'upstream'>>,
  ): Promise<Coatcheck>;
};

/** Opens a stage, which `closing` closes unless it has been closed before. */
export async function openStage(closing: Closing): Promise<Stage> {
  const own = closing.nested();
  const directory = await own.open(openTemporaryDirectory());
  const redis = await own.open(startRedis());
  const provider = await own.open(startPart<ProviderShape>('parts/provider.ts'));
  const upstream = await own.open(startPart<UpstreamShape>('parts/upstream.ts'));
  const load = await own.open(startPart<LoadShape>('load/load.ts'));
  const upstreamUrl = `http://127.0.0.1:${upstream.hello.port}`;

  return {
    ...own,
    load,
    upstream,
    upstreamUrl,
    provider,
    redis,
    coatcheck: (options) =>
      own.open(
        startCoatcheck({
          provider,
          directory: directory.path,
          upstream: upstreamUrl,
          redisUrl: redis.url,
          ...options,
        }),
      ),
  };
}
