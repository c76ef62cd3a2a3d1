import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { StudyId } from './studies.ts';

/** The machine and the date of a measurement. */
export type Circumstances = { date: string; node: string; cpu: string; cores: number; memoryBytes: number };

/** The latest results of every subject. */
export type Results = { [Id in StudyId]?: Circumstances & { length: string; data: unknown } };

const FILE = fileURLToPath(new URL('results/latest.json', import.meta.url));

/** The machine and date of this run. */
export function circumstances(): Circumstances {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

/** Reads the stored results; empty when there are none. */
export function readResults(): Results {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** Stores the results. */
export function writeResults(results: Results): void {
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
}
