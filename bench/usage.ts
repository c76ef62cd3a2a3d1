import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The resource usage of a program so far, summed over its processes. */
export type Usage = {
  /** User and system time in microseconds, in steps of 10,000. */
  readonly cpuMicros: number;
  readonly residentBytes: number;
  /** Peak resident memory per process, summed. */
  readonly residentPeakBytes: number;
};

/** Resident memory of a program over time, in bytes. */
export type MemoryChange = { before: number; peak: number; after: number };

/** Linux reports CPU time to programs in hundredths of a second (USER_HZ). */
const MICROSECONDS_PER_TICK = 10_000;
const POLL_INTERVAL_MS = 50;

/**
 * Reads the usage of a process and of its descendants that run the same program (proc(5)). Other descendants, such as
 * the shell that ends it together with this process, are not measured.
 */
export function readUsage(root: number): Usage {
  const usages = processesOf(root).map(readProcess);
  const sum = (name: keyof Usage) => usages.reduce((total, usage) => total + usage[name], 0);
  return {
    cpuMicros: sum('cpuMicros'),
    residentBytes: sum('residentBytes'),
    residentPeakBytes: sum('residentPeakBytes'),
  };
}

/**
 * The memory of a process and of its descendants that run the same program, in which pages that processes share count once (PSS).
 * Reading it takes milliseconds.
 */
export function readProportionalBytes(root: number): number {
  return processesOf(root).reduce((total, pid) => {
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return total + Number(kilobytes) * 1024;
  }, 0);
}

function processesOf(root: number): number[] {
  const program = readlinkSync(`/proc/${root}/exe`);
  const pids = readdirSync('/proc').map(Number);
  const children = Map.groupBy(
    pids.filter((pid) => pid > 0),
    (pid) => ifRunning(() => Number(readStat(pid)[1])),
  );
  const found = [root];
  for (const parent of found) {
    const isSame = (pid: number) => ifRunning(() => readlinkSync(`/proc/${pid}/exe`)) === program;
    found.push(...(children.get(parent) ?? []).filter(isSame));
  }
  return found;
}

function readProcess(pid: number): Usage {
  const stat = readStat(pid);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return {
    cpuMicros: (Number(stat[11]) + Number(stat[12])) * MICROSECONDS_PER_TICK,
    residentBytes: bytes('VmRSS'),
    residentPeakBytes: bytes('VmHWM'),
  };
}

/** The fields of `/proc/PID/stat` after the process name, which may contain spaces. */
function readStat(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
}

/** A process may end between listing and reading. */
function ifRunning<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Samples the resident memory of a program while `work` runs. */
export async function watchMemory<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ result: T; memory: MemoryChange }> {
  const look = () => readUsage(pid).residentBytes;
  const before = look();
  let peak = before;
  // If the program has ended, its caller reports that better.
  const timer = setInterval(() => (peak = Math.max(peak, ifRunning(look) ?? 0)), POLL_INTERVAL_MS);
  try {
    const result = await work();
    const after = look();
    return { result, memory: { before, peak: Math.max(peak, after), after } };
  } finally {
    clearInterval(timer);
  }
}
