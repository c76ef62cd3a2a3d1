import type { StreamFixture, MeasuredProxy } from '../../stream-fixture.ts';
import { type MemoryChange, watchMemory } from '../../memory-watch.ts';
import { megabytes } from '../../report/quantity.ts';
import type { Effort } from '../../study.ts';
import { readUsage } from '../../usage.ts';

/** The figures of one large body. */
export type LargeBody = {
  what: 'download' | 'upload';
  bytes: number;
  seconds: number;
  cpuMicros: number;
  memory: MemoryChange;
};

/** Size of a warm-up body, so that first-time allocations do not count as growth. */
const FIRST_BYTES = 64 * 1024 ** 2;

/** Measures a download and an upload. Missing bytes are added to `errors`. */
export async function measureLargeBodies(
  { browsers }: StreamFixture,
  proxy: MeasuredProxy,
  bytes: number,
  effort: Effort,
  errors: string[],
): Promise<LargeBody[]> {
  const largeBodies: LargeBody[] = [];
  for (const what of ['download', 'upload'] as const) {
    await browsers.ask(what, { ...proxy, bytes: FIRST_BYTES });
    const before = readUsage(proxy.pid).cpuMicros;
    const startedMs = performance.now();
    const { result, memory } = await watchMemory(proxy.pid, () => browsers.ask(what, { ...proxy, bytes }));
    const seconds = (performance.now() - startedMs) / 1000;
    largeBodies.push({ what, bytes, seconds, cpuMicros: readUsage(proxy.pid).cpuMicros - before, memory });
    if (result !== bytes) errors.push(`${proxy.title}: of ${bytes} bytes of a ${what} arrived ${result}`);
    effort.say(`${proxy.title}: ${what}, memory grew by ${megabytes(memory.peak - memory.before)}`);
  }
  return largeBodies;
}
