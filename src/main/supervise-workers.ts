import { processSources } from '../config/sources.ts';
import { limitSupervisorHeap } from '../performance/v8-flags.ts';
import { workerCount } from '../workers/worker-count.ts';
import { superviseService } from '../workers/supervisor-service.ts';
import type { Arguments } from './arguments.ts';
import { readConfigInChild } from './ask-config-child.ts';
import { exitWithProblems } from './invalid-config.ts';
import { run } from './run.ts';

/**
 * Whether the file may configure several workers. When it says otherwise but does, such as with an escaped name, the program
 * only takes more time and memory to start.
 */
export function mayNeedSupervisor(file: string): boolean {
  try {
    return /workers(?!['"]?\s*:\s*1\b)/.test(processSources().readFile(file));
  } catch {
    // Whoever reads the configuration reports the problem.
    return false;
  }
}

/** Runs the supervisor if there are several workers; returns false otherwise. */
export async function superviseWorkers({ config: file, watch }: Arguments): Promise<boolean> {
  limitSupervisorHeap();
  const { result, texts } = await readConfigInChild({ file });
  if ('problems' in result) return exitWithProblems(file, result.problems);
  if ('error' in result) throw result.error;
  const { settings } = result;
  if (workerCount(settings) === 1) return false;
  await run({
    role: 'supervisor',
    file,
    texts,
    settings,
    watch,
    start: (log, onReload) => superviseService({ file, texts, settings }, log, onReload),
    read: () => readConfigInChild({ file, initial: texts }),
  });
  return true;
}
