import { hash } from 'node:crypto';
import { ConfigError, formatProblems } from '../config/config-error.ts';
import { processSources, recordingSources } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import { loadConfig, type LoadedConfig } from '../provider/read-config.ts';
import type { Service } from '../workers/processes.ts';

/** Reads the configuration file again, with every file it names, and applies it. */
export type Reloading = {
  /** Starts a reload; the log says how it ends. */
  reload(): void;
  /** The files that were read last, whether they could be read or not. */
  paths(): readonly string[];
  /** Whether one of them has another content now. */
  haveFilesChanged(): boolean;
};

export function createReloading(deps: {
  loaded: LoadedConfig;
  service: Pick<Service, 'reload' | 'reloadFailed'>;
  log: Logger;
}): Reloading {
  const { loaded, service, log } = deps;
  const { file } = loaded;
  /** The digest of what was read last, by path; undefined for a file that could not be read. A text may be a private key. */
  const digests = new Map(Object.entries(loaded.texts).map(([path, text]) => [path, digestOf(text)]));

  const fail = (details: object) => log.error(details, 'config reload failed; keeping the current settings');

  return {
    paths: () => [...digests.keys()],
    haveFilesChanged: () => [...digests].some(([path, digest]) => digestOf(contentOf(path)) !== digest),
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
        // The others stay: an invalid file may not name all of them.
        const texts = sources.texts();
        for (const path of sources.paths()) digests.set(path, digestOf(texts[path]));
      }
    },
  };
}

function digestOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : hash('sha256', text, 'base64url');
}

function contentOf(path: string): string | undefined {
  try {
    return processSources().readFile(path);
  } catch {
    return undefined;
  }
}
