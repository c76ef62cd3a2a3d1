import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * Flags of V8 that suit a gateway: of what a request makes, nothing lives on, and what lives on is a cache.
 * What each gives, measured: `docs/decisions/0016-a-heap-for-short-lives.md`.
 */
export const v8Flags: readonly string[] = [
  // What was long-lived during sign-ins, V8 makes in the old generation from then on, for requests as well.
  '--no-allocation-site-pretenuring',
  // To wake other threads for half a megabyte costs more than to copy it.
  '--no-parallel-scavenge',
  // The old generation is collected when it has grown by a half, not by several times.
  '--heap-growing-percent=50',
  // The pieces of a body that have been passed on are collected once they are 16 MB (four times this), not 64.
  '--scavenger-max-new-space-capacity-mb=4',
];

/** How large the young generation may become, in bytes: both halves of it. V8 itself lets it grow to four times that. */
const YOUNG_BYTES = 32 * 2 ** 20;

/** Applies the settings to this process. For a process that is a gateway and nothing else. */
export function applyV8Flags(): void {
  for (const setting of v8Flags) setFlagsFromString(setting);
  let factor = 0;
  const holdYoung = () => {
    const due = growthFrom(youngBytes());
    if (due !== factor) setFlagsFromString(`--semi-space-growth-factor=${(factor = due)}`);
  };
  holdYoung();
  new PerformanceObserver(holdYoung).observe({ entryTypes: ['gc'] });
}

/**
 * V8 multiplies the young generation by this when it finds it too small; there is no way to set a size later on. In an idle
 * moment V8 shrinks it to a megabyte or two, from which it is to come back in one step. Sizes are a few pages off.
 */
function growthFrom(bytes: number): number {
  if (bytes > YOUNG_BYTES * 0.75) return 1;
  return bytes > YOUNG_BYTES / 12 ? 2 : 16;
}

/** How large the young generation is now, in bytes. */
export function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}
