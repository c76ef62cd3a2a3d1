import { constants } from 'node:os';
import { styleText } from 'node:util';
import { type Command, readCommand, usage } from './arguments.ts';
import { createCleanup } from './cleanup.ts';
import { writePage } from './report/page.ts';
import { renderText } from './report/text.ts';
import { circumstances, readResults, writeResults } from './results.ts';
import { type StudyId, studies } from './studies.ts';
import type { Effort, Study } from './study.ts';

const command = read();
const cleanup = createCleanup();
const startedMs = performance.now();
let stopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal));
try {
  await obey(command);
} catch (error) {
  // After a signal, pending work fails because of it.
  if (!stopping) fail(error);
} finally {
  await cleanup.close();
}

function read(): Command {
  try {
    return readCommand(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(2);
  }
}

async function obey(wanted: Command): Promise<void> {
  switch (wanted.kind) {
    case 'help':
      return console.log(usage);
    case 'page':
      return writePage(readResults());
    case 'measure': {
      if (process.platform !== 'linux') {
        throw new Error('CPU time and memory are read from /proc, which only Linux has');
      }
      for (const id of wanted.subjects) await measure(id, { ...wanted, say, cleanup });
    }
  }
}

async function measure(id: StudyId, effort: Effort): Promise<void> {
  const study: Study<unknown> = studies[id];
  console.log(`\n${styleText('bold', study.title)}`);
  const data = await study.measure(effort);
  const report = study.report(data);
  console.log(`\n${renderText(report)}\n`);
  if (report.errors.length > 0) {
    process.exitCode = 1;
    return say('results not stored because of the errors');
  }
  if (effort.length === 'quick' || effort.only !== undefined) return;
  const results = { ...readResults(), [id]: { ...circumstances(), length: effort.length, data } };
  writeResults(results);
  await writePage(results);
  say('stored in bench/results/latest.json and docs/performance.md');
}

function say(line: string): void {
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${styleText('dim', `${seconds.toFixed(0).padStart(4)} s`)}  ${line}`);
}

/** Stops every started process. A second signal exits at once; the processes then end by themselves. */
async function stop(signal: NodeJS.Signals): Promise<void> {
  const code = 128 + constants.signals[signal];
  if (stopping) process.exit(code);
  stopping = true;
  console.error(`stopped by ${signal}`);
  await cleanup.close();
  process.exit(code);
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(styleText('red', `✗ ${text}`));
  process.exitCode = 1;
}
