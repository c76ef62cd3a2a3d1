import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { StudyId } from './studies.ts';

/** Where and when something was measured. */
export type Circumstances = { date: string; node: string; cpu: string; cores: number; memoryBytes: number };

/** What was measured last, of every subject. */
export type Results = { [Id in StudyId]?: Circumstances & { length: string; data: unknown } };

const FILE = fileURLToPath(new URL('results/latest.json', import.meta.url));

/** The circumstances of now. */
export function circumstances(): Circumstances {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

/** Reads what was measured last; nothing, when nothing was. */
export function readResults(): Results {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** Keeps what was measured. */
export function writeResults(results: Results): void {
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
}
