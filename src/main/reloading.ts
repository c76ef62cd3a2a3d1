import { hash } from 'node:crypto';
import { formatProblems } from '../config/config-error.ts';
import { processSources, type FileTexts } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import type { Service } from '../workers/service.ts';
import type { Reading } from './reading.ts';

/** Reads the configuration file again, with every file it names, and applies it. */
export type Reloading = {
  /** Starts a reload; the log says how it ends. */
  reload(): void;
  /** The files that were read last, whether they could be read or not. */
  paths(): readonly string[];
  /** Whether one of them has another content now. */
  haveFilesChanged(): boolean;
};

export function createReloading<Settings>(deps: {
  file: string;
  /** The files as the start has read them. */
  texts: FileTexts;
  read: () => Promise<Reading<Settings>>;
  service: Pick<Service<Settings>, 'reload' | 'reloadFailed'>;
  log: Logger;
}): Reloading {
  const { file, read, service, log } = deps;
  /** The digest of what was read last, by path; undefined for a file that could not be read. A text may be a private key. */
  const digests = new Map(Object.entries(deps.texts).map(([path, text]) => [path, digestOf(text)]));
  let lastReading: Promise<unknown> = Promise.resolve();

  const fail = (details: object) => log.error(details, 'config reload failed; keeping the current settings');
  const apply = ({ result, texts, paths }: Reading<Settings>) => {
    // The others stay: an invalid file may not name all of them.
    for (const path of paths) digests.set(path, digestOf(texts[path]));
    if ('settings' in result) {
      service.reload(result.settings, texts).then(
        () => log.info('configuration reloaded'),
        (error: unknown) => fail({ err: error }),
      );
      return;
    }
    service.reloadFailed();
    fail(
      'problems' in result
        ? { problems: formatProblems(file, result.problems).split('\n') }
        : { err: result.error },
    );
  };
  const failToRead = (error: unknown) => {
    service.reloadFailed();
    fail({ err: error });
  };

  return {
    paths: () => [...digests.keys()],
    haveFilesChanged: () => [...digests].some(([path, digest]) => digestOf(contentOf(path)) !== digest),
    reload() {
      // One after the other, so that the newest is applied last.
      lastReading = lastReading.then(read).then(apply, failToRead);
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
