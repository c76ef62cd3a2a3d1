import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisServer, startRedis } from '../testkit/redis/redis-server.ts';
import type { BaselineOptions, BaselineShape } from './baselines/baseline.ts';
import { type Coatcheck, type CoatcheckOptions, startCoatcheck } from './coatcheck.ts';
import { type Worker, startWorker } from './worker.ts';
import type { LoadShape } from './workers/load.ts';
import type { ProviderShape } from './workers/provider.ts';
import type { UpstreamShape } from './workers/upstream.ts';

/** A resource that must be closed. */
type Opened = { close(): Promise<void> };

/** The processes that every study needs; each is separate from the measured program. */
export type Fixture = {
  readonly load: Worker<LoadShape>;
  readonly upstream: Worker<UpstreamShape>;
  readonly provider: Worker<ProviderShape>;
  readonly redis: RedisServer;
  /** The directory for configuration files. */
  readonly directory: string;
  /** Waits for a resource, which the fixture closes. */
  open<T extends Opened>(opening: Promise<T>): Promise<T>;
  /** Starts a gateway with this fixture's upstream and Redis, unless others are given. */
  coatcheck(options: GatewayOptions): Promise<Coatcheck>;
  /** Starts one of the programs in `baselines/`, in front of this fixture's upstream or another. */
  baseline(name: string, upstreamPort?: number): Promise<Worker<BaselineShape>>;
};

type GatewayOptions = Omit<CoatcheckOptions, 'provider' | 'directory' | 'redisUrl' | 'upstream'> &
  Partial<Pick<CoatcheckOptions, 'redisUrl' | 'upstream' | 'provider'>>;

/** Opens a fixture. `close` closes everything once, the newest first, also while the fixture opens. */
export function openFixture(): { ready(): Promise<Fixture>; close(): Promise<void> } {
  const opened: Opened[] = [];
  let closed = false;

  const open: Fixture['open'] = async (opening) => {
    const resource = await opening;
    if (closed) await resource.close();
    else opened.push(resource);
    return resource;
  };
  return {
    ready: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'coatcheck-bench-'));
      await open(Promise.resolve({ close: () => rm(directory, { recursive: true, force: true }) }));
      const redis = await open(startRedis());
      const provider = await open(startWorker<ProviderShape>('workers/provider.ts'));
      const upstream = await open(startWorker<UpstreamShape>('workers/upstream.ts'));
      const load = await open(startWorker<LoadShape>('workers/load.ts'));
      const urlOf = (port: number) => `http://127.0.0.1:${port}`;
      const defaults = { provider, directory, upstream: urlOf(upstream.ready.port), redisUrl: redis.rootUrl };
      return {
        load,
        upstream,
        provider,
        redis,
        directory,
        open,
        coatcheck: (options) => open(startCoatcheck({ ...defaults, ...options })),
        baseline: (name, port = upstream.ready.port) => {
          const options: BaselineOptions = { upstream: urlOf(port), redisUrl: redis.rootUrl };
          return open(startWorker<BaselineShape>(`baselines/${name}.ts`, options));
        },
      };
    },
    close: async () => {
      closed = true;
      for (const resource of opened.splice(0).reverse()) await resource.close();
    },
  };
}
