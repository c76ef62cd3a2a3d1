import { constants } from 'node:os';
import { styleText } from 'node:util';
import { type Command, readCommand, usage } from './arguments.ts';
import { openFixture } from './fixture.ts';
import { missingPeers } from './peers/peers.ts';
import { writePage } from './report/page.ts';
import { renderText } from './report/report.ts';
import { type StudyId, studies } from './studies.ts';
import type { Effort } from './study.ts';

const startedMs = performance.now();
let stopping = false;
/** Stops every started process of the study that runs. */
let close = async () => {};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal));
try {
  await obey(read());
} catch (error) {
  // After a signal, pending work fails because of it.
  if (!stopping) fail(error);
}

function read(): Command {
  try {
    return readCommand(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(2);
  }
}

async function obey(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help':
      return console.log(usage);
    case 'measure': {
      if (process.platform !== 'linux') {
        throw new Error('CPU time and memory are read from /proc, which only Linux has');
      }
      const missing = missingPeers(command.peers);
      if (missing.length > 0) {
        process.exitCode = 1;
        return console.error(missing.join('\n'));
      }
      for (const id of command.subjects) await measure(id, { ...command, say });
    }
  }
}

async function measure(id: StudyId, effort: Effort): Promise<void> {
  console.log(`\n${styleText('bold', studies[id].title)}`);
  const fixture = openFixture();
  close = fixture.close;
  try {
    const report = await studies[id].measure(await fixture.ready(), effort);
    console.log(`\n${renderText(report)}\n`);
    if (report.errors.length > 0) {
      process.exitCode = 1;
      return say('results not stored because of the errors');
    }
    if (effort.length === 'quick' || effort.only !== undefined) return;
    await writePage(id, report);
    say('stored in docs/performance.md');
  } finally {
    await close();
  }
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
  await close();
  process.exit(code);
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(styleText('red', `✗ ${text}`));
  process.exitCode = 1;
}
