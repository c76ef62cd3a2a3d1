import { readUsage } from './usage.ts';

/** Resident memory of a program over time, in bytes. */
export type MemoryChange = { before: number; peak: number; after: number };

const POLL_INTERVAL_MS = 50;

/** Samples the resident memory of a program while `work` runs. */
export async function watchMemory<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ result: T; memory: MemoryChange }> {
  const look = () => readUsage(pid).residentBytes;
  const before = look();
  let peak = before;
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, look());
    } catch {
      // The program has ended; its caller reports that better.
    }
  }, POLL_INTERVAL_MS);
  try {
    const result = await work();
    const after = look();
    return { result, memory: { before, peak: Math.max(peak, after), after } };
  } finally {
    clearInterval(timer);
  }
}
