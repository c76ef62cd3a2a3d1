import { warnOfRestartKeys } from '../config/restart-keys.ts';
import type { Config } from '../config/schema/schema.ts';
import type { FileTexts } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import { WORKER_RELOAD_TIMEOUT_MS } from '../timing.ts';
import { never, type Service } from './service.ts';
import { supervise } from './supervisor.ts';
import { workerCount } from './worker-count.ts';

/** What the supervisor needs of a configuration. */
export type SupervisorSettings = Pick<
  Config,
  'workers' | 'baseUrl' | 'listen' | 'log' | 'shutdownTimeout'
> & {
  readonly admin: Pick<Config['admin'], 'listen'>;
  readonly provider: Pick<Config['provider'], 'timeout'>;
  /** The keys that need a restart and have changed since the start, by their paths. */
  readonly keptKeys: readonly string[];
};

/**
 * Starts the workers, with the files that the configuration was read from. It serves no request, so it loads none of the modules
 * that do or that read a configuration: they take 60 MB.
 */
export function superviseService(
  { file, texts, settings }: { file: string; texts: FileTexts; settings: SupervisorSettings },
  log: Logger,
  onReload: (settings: SupervisorSettings) => void,
): Service<SupervisorSettings> {
  const files = { file, initial: texts, current: texts };
  const supervisor = supervise({ count: workerCount(settings), files, log });
  return {
    listening: supervisor.listening,
    async reload(next, current) {
      warnOfRestartKeys(log, next.keptKeys);
      // A worker waits for the metadata of a changed provider.
      await supervisor.reload({ ...files, current }, next.provider.timeout + WORKER_RELOAD_TIMEOUT_MS);
      onReload(next);
    },
    reloadFailed: supervisor.reloadFailed,
    abandoned: never,
    stop: supervisor.stop,
  };
}
