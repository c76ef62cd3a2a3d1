import type { LongStage, Passage } from '../../stream-fixture.ts';
import { type MemoryCourse, watchMemory } from '../../memory-watch.ts';
import { megabytes } from '../../report/quantity.ts';
import type { Effort } from '../../study.ts';
import { readUsage } from '../../usage.ts';

/** A large body on its way. */
export type Bulk = {
  what: 'download' | 'upload';
  bytes: number;
  seconds: number;
  cpuMicros: number;
  memory: MemoryCourse;
};

/** Before the measured body: what the first large one of all makes a process take is no growth. */
const FIRST_BYTES = 64 * 1024 ** 2;

/** Measures a download and an upload. What does not arrive is among the errors. */
export async function measureBulks(
  { browsers }: LongStage,
  passage: Passage,
  bytes: number,
  effort: Effort,
  errors: string[],
): Promise<Bulk[]> {
  const bulks: Bulk[] = [];
  for (const what of ['download', 'upload'] as const) {
    await browsers.ask(what, { ...passage, bytes: FIRST_BYTES });
    const before = readUsage(passage.pid).cpuMicros;
    const startedMs = performance.now();
    const { result, memory } = await watchMemory(passage.pid, () =>
      browsers.ask(what, { ...passage, bytes }),
    );
    const seconds = (performance.now() - startedMs) / 1000;
    bulks.push({ what, bytes, seconds, cpuMicros: readUsage(passage.pid).cpuMicros - before, memory });
    if (result !== bytes) errors.push(`${passage.title}: of ${bytes} bytes of a ${what} arrived ${result}`);
    effort.say(`${passage.title}: ${what}, memory grew by ${megabytes(memory.peak - memory.before)}`);
  }
  return bulks;
}
