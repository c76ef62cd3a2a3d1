import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { Program } from '../../../testkit/processes/program.ts';
import type { Fixture } from './fixture.ts';

/** Environment of a program that {@link heapOf} can read. */
export const dumpOnSignal = ({ folder }: Fixture) => ({
  NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}`,
});

/** All live objects in the heap of a process, as V8 dumps them, with the first kilobyte of long texts. */
export async function heapOf(program: Program, { folder }: Fixture): Promise<string> {
  program.signal('SIGUSR2');
  return vi.waitFor(
    async () => {
      const [file = ''] = await readdir(folder);
      const text = await readFile(join(folder, file), 'utf8');
      JSON.parse(text);
      return text;
    },
    { timeout: 60_000, interval: 200 },
  );
}
