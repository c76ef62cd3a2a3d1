import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { startServer, type RunningServer } from '../server.ts';
import { never, type Service } from './service.ts';
import { startWorker, supervisorLoss } from './worker.ts';
import { workerCount } from './worker-count.ts';

type OnReload = (config: Config) => void;

/** Serves in this process, the only one. `onReload` gets each configuration that comes into force. */
export function serveAloneService(config: Config, log: Logger, onReload: OnReload): Service<Config> {
  return serviceOf(startServer(config, log), never, onReload);
}

/** Serves as one of several workers. */
export function serveAsWorkerService(config: Config, log: Logger, onReload: OnReload): Service<Config> {
  const starting = startWorker(config, log, { workerCount: workerCount(config), onReload });
  return serviceOf(starting, supervisorLoss(), onReload);
}

function serviceOf(
  starting: Promise<RunningServer>,
  abandoned: Promise<void>,
  onReload: OnReload,
): Service<Config> {
  return {
    abandoned,
    listening: starting,
    async reload(config) {
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
