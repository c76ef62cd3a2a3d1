import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * V8 flags for a gateway's heap: objects of a request live as long as it, and the long-lived objects are caches. They belong on the
 * command line of Node.js. Measurements: `docs/decisions/0016-v8-flags.md`.
 */
export const v8Flags: readonly string[] = [
  // After sign-ins, whose objects live long, V8 would allocate the same objects of requests in the old generation.
  '--no-allocation-site-pretenuring',
  // Copying half a megabyte costs less than waking other threads for it.
  '--no-parallel-scavenge',
  // Collects the old generation after it has grown by half, instead of several times over.
  '--heap-growing-percent=50',
  // Collects forwarded body chunks after 16 MB (four times this value) instead of 64 MB.
  '--scavenger-max-new-space-capacity-mb=4',
];

/** The maximum size of the young generation (both semi-spaces), in bytes. V8's default is four times as large. */
const MAX_YOUNG_BYTES = 32 * 2 ** 20;

/**
 * Applies the flags that the command line does not have, and limits the young generation of the whole process. Use it only in
 * a process that runs nothing but the gateway.
 */
export function applyV8Flags(): void {
  const given = new Set(process.execArgv);
  for (const flag of v8Flags) if (!given.has(flag)) setFlagsFromString(flag);
  limitYoungGeneration();
}

/**
 * Keeps the young generation of this process at its initial megabyte. For the supervisor, which allocates little. A later
 * {@link applyV8Flags} undoes it.
 */
export function limitSupervisorHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The command line could limit it as well, but would override a smaller limit in `NODE_OPTIONS`. */
function limitYoungGeneration(): void {
  let factor = 0;
  const updateGrowthFactor = () => {
    const wanted = growthFactor(youngBytes());
    if (wanted !== factor) setFlagsFromString(`--semi-space-growth-factor=${(factor = wanted)}`);
  };
  updateGrowthFactor();
  new PerformanceObserver(updateGrowthFactor).observe({ entryTypes: ['gc'] });
}

/**
 * Returns the factor by which V8 multiplies the young generation when it is too small; its size cannot be set directly at
 * run time. When idle, V8 shrinks it to one or two megabytes, so the factor must then restore it in one step. Sizes are
 * inexact by a few pages.
 */
function growthFactor(bytes: number): number {
  if (bytes > MAX_YOUNG_BYTES * 0.75) return 1;
  return bytes > MAX_YOUNG_BYTES / 12 ? 2 : 16;
}

/** The current size of the young generation, in bytes. */
export function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}
