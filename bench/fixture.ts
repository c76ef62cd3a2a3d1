import { type RedisServer, startRedis } from '../testkit/redis-server.ts';
import type { Cleanup } from './cleanup.ts';
import { type Coatcheck, type CoatcheckOptions, startCoatcheck } from './coatcheck.ts';
import type { LoadShape } from './load/load.ts';
import { type Worker, startWorker } from './worker.ts';
import type { ProviderShape } from './workers/provider.ts';
import type { UpstreamShape } from './workers/upstream.ts';
import { openTemporaryDirectory } from './temporary-directory.ts';

/** The processes that every study needs; each is separate from the measured program. */
export type Fixture = Cleanup & {
  readonly load: Worker<LoadShape>;
  readonly upstream: Worker<UpstreamShape>;
  readonly upstreamUrl: string;
  readonly provider: Worker<ProviderShape>;
  readonly redis: RedisServer;
  /** Starts a gateway with this fixture's upstream and Redis, unless others are given. */
  coatcheck(
    options: Omit<CoatcheckOptions, 'provider' | 'directory' | 'redisUrl' | 'upstream'> &
      Partial<Pick<CoatcheckOptions, 'redisUrl' | 'upstream'>>,
  ): Promise<Coatcheck>;
};

/** Opens a fixture; `cleanup` closes it unless it is closed earlier. */
export async function openFixture(cleanup: Cleanup): Promise<Fixture> {
  const own = cleanup.nested();
  const directory = await own.open(openTemporaryDirectory());
  const redis = await own.open(startRedis());
  const provider = await own.open(startWorker<ProviderShape>('workers/provider.ts'));
  const upstream = await own.open(startWorker<UpstreamShape>('workers/upstream.ts'));
  const load = await own.open(startWorker<LoadShape>('load/load.ts'));
  const upstreamUrl = `http://127.0.0.1:${upstream.ready.port}`;

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
          redisUrl: redis.rootUrl,
          ...options,
        }),
      ),
  };
}
