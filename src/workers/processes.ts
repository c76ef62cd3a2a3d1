import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { keepRestartKeys, warnOfRestartKeys } from '../config/restart-keys.ts';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { configSchema, type LoadedConfig } from '../provider/read-config.ts';
import { hasCertificate, listenerTlsOptions } from '../http/server/listener-tls.ts';
import type { Listeners, RunningServer } from '../server.ts';
import { WORKER_RELOAD_TIMEOUT_MS } from '../timing.ts';
import { supervise } from './supervisor.ts';
import { startWorker, supervisorLoss } from './worker.ts';

/** The running gateway, seen from this process. */
export type Service = {
  /** Settles when all processes listen. Rejects when an address cannot be bound. */
  readonly listening: Promise<Listeners>;
  /**
   * Applies another configuration, in every worker, and settles when they have it. During start-up, waits until the start is
   * complete.
   */
  reload(loaded: LoadedConfig): Promise<void>;
  /** Counts a reload whose configuration was invalid. */
  reloadFailed(): void;
  /** Settles when the supervisor of this worker has exited unexpectedly. Never settles in other processes. */
  readonly abandoned: Promise<void>;
  /** Stops accepting, finishes requests in flight and settles. During start-up, waits until the start is complete. */
  stop(): Promise<void>;
};

/** The role of this process; `all` means that it serves without workers. */
export type ProcessRole = 'all' | 'supervisor' | 'worker';

export function processRole({ workers }: Pick<Config, 'workers'>): ProcessRole {
  if (cluster.isWorker) return 'worker';
  return workerCount(workers) === 1 ? 'all' : 'supervisor';
}

/**
 * Starts to serve, in this process or in the configured number of workers. `onReload` gets each configuration that comes
 * into force.
 */
export function start(loaded: LoadedConfig, log: Logger, onReload: (config: Config) => void): Service {
  const { config } = loaded;
  switch (processRole(config)) {
    case 'all':
      return serviceOf(serve(config, log), never, onReload);
    case 'worker':
      return serviceOf(
        startWorker(config, log, { workerCount: workerCount(config.workers), onReload }),
        supervisorLoss(),
        onReload,
      );
    case 'supervisor':
      return supervisorService(loaded, log, onReload);
  }
}

/** The supervisor serves no request, and loads none of the modules that do: they take 28 MB. */
async function serve(config: Config, log: Logger): Promise<RunningServer> {
  const { startServer } = await import('../server.ts');
  return startServer(config, log);
}

const never = new Promise<void>(() => undefined);

function supervisorService(
  { config, file, texts }: LoadedConfig,
  log: Logger,
  onReload: (config: Config) => void,
): Service {
  const files = { file, initial: texts, current: texts };
  const supervisor = supervise({ count: workerCount(config.workers), files, log });
  return {
    listening: supervisor.listening,
    async reload(next) {
      const { config: applied, kept } = keepRestartKeys(configSchema, config, next.config);
      warnOfRestartKeys(log, kept);
      requireUsableCertificate(applied, supervisor.reloadFailed);
      // A worker waits for the metadata of a changed provider.
      await supervisor.reload(
        { ...files, current: next.texts },
        applied.provider.timeout + WORKER_RELOAD_TIMEOUT_MS,
      );
      onReload(applied);
    },
    reloadFailed: supervisor.reloadFailed,
    abandoned: never,
    stop: supervisor.stop,
  };
}

/** Throws, before any worker reloads, when OpenSSL refuses the certificate of the listener. */
function requireUsableCertificate({ tls }: Config, onFailure: () => void): void {
  try {
    if (hasCertificate(tls)) listenerTlsOptions(tls);
  } catch (error) {
    onFailure();
    throw error;
  }
}

function serviceOf(
  starting: Promise<RunningServer>,
  abandoned: Promise<void>,
  onReload: (config: Config) => void,
): Service {
  return {
    abandoned,
    listening: starting,
    async reload({ config }) {
      await (await starting).reload(config);
      onReload(config);
    },
    reloadFailed: () =>
      void starting.then(
        (server) => server.reloadFailed(),
        () => undefined,
      ),
    stop: async () => (await starting).stop(),
  };
}

function workerCount(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
