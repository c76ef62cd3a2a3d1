import { serveAloneService, serveAsWorkerService } from '../workers/server-service.ts';
import { configOfWorker } from '../workers/worker.ts';
import { workerCount } from '../workers/worker-count.ts';
import { applyV8Flags } from '../performance/v8-flags.ts';
import type { Arguments } from './arguments.ts';
import { readConfig } from './config-reading.ts';
import { exitWithProblems } from './invalid-config.ts';
import { run } from './run.ts';

/** Serves in this process, unless several workers are configured: then it returns false. */
export async function serveAlone({ config: file, watch }: Arguments): Promise<boolean> {
  const read = () => readConfig(file, (config) => config);
  const { result, texts } = read();
  if ('problems' in result) return exitWithProblems(file, result.problems);
  if ('error' in result) throw result.error;
  const { settings } = result;
  if (workerCount(settings) > 1) return false;
  applyV8Flags();
  await run({
    role: 'all',
    file,
    texts,
    settings,
    watch,
    start: (log, onReload) => serveAloneService(settings, log, onReload),
    read: async () => read(),
  });
  return true;
}

/** Serves as a worker, with the configuration of the supervisor. */
export async function serveAsWorker(): Promise<void> {
  const { config: settings, file, texts } = await configOfWorker();
  applyV8Flags();
  await run({
    role: 'worker',
    file,
    texts,
    settings,
    watch: false,
    start: (log, onReload) => serveAsWorkerService(settings, log, onReload),
    read: () => Promise.reject(new Error('the supervisor reads the configuration of its workers')),
  });
}
