import { ConfigError, formatProblems } from '../config/config-error.ts';
import { recordingSources } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import { loadConfig, type LoadedConfig } from '../provider/read-config.ts';
import type { Service } from '../workers/processes.ts';

/** Reads the configuration file again, with every file it names, and applies it. */
export type Reloading = {
  /** Starts a reload; the log says how it ends. */
  reload(): void;
  /** The files that were read last. */
  files(): readonly string[];
};

export function createReloading(deps: {
  loaded: LoadedConfig;
  service: Pick<Service, 'reload' | 'reloadFailed'>;
  log: Logger;
}): Reloading {
  const { loaded, service, log } = deps;
  const { file } = loaded;
  let files: readonly string[] = Object.keys(loaded.texts);

  const fail = (details: object) => log.error(details, 'config reload failed; keeping the current settings');

  return {
    files: () => files,
    reload() {
      const sources = recordingSources();
      try {
        const config = loadConfig(file, sources);
        service.reload({ config, file, texts: sources.texts() }).then(
          () => log.info('configuration reloaded'),
          (error: unknown) => fail({ err: error }),
        );
      } catch (error) {
        service.reloadFailed();
        const isInvalid = error instanceof ConfigError;
        fail(isInvalid ? { problems: formatProblems(file, error.problems).split('\n') } : { err: error });
      } finally {
        // An invalid file may not name all of them.
        files = [...new Set([...files, ...sources.paths()])];
      }
    },
  };
}
