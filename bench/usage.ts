import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The resource usage of a program so far, summed over its processes. */
export type Usage = {
  /** User and system time in microseconds, in steps of 10,000. */
  readonly cpuMicros: number;
  readonly residentBytes: number;
  /** Peak resident memory per process, summed. */
  readonly residentPeakBytes: number;
};

/** Linux reports CPU time to programs in hundredths of a second (USER_HZ). */
const MICROSECONDS_PER_TICK = 10_000;

/**
 * Reads the usage of a process and of its descendants that run the same program (proc(5)). Other descendants, such as
 * the shell that ends it together with this process, are not measured.
 */
export function readUsage(root: number): Usage {
  const processes = programOf(root).map(readProcess);
  const total = (read: (usage: Usage) => number) => processes.reduce((sum, usage) => sum + read(usage), 0);
  return {
    cpuMicros: total(({ cpuMicros }) => cpuMicros),
    residentBytes: total(({ residentBytes }) => residentBytes),
    residentPeakBytes: total(({ residentPeakBytes }) => residentPeakBytes),
  };
}

function programOf(root: number): number[] {
  const program = readlinkSync(`/proc/${root}/exe`);
  const found = [root];
  const children = Map.groupBy(processIds(), parentOf);
  for (const parent of found) {
    found.push(...(children.get(parent) ?? []).filter((pid) => exeOf(pid) === program));
  }
  return found;
}

function readProcess(pid: number): Usage {
  const stat = statOf(pid);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return {
    cpuMicros: (Number(stat[11]) + Number(stat[12])) * MICROSECONDS_PER_TICK,
    residentBytes: bytes('VmRSS'),
    residentPeakBytes: bytes('VmHWM'),
  };
}

function processIds(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The fields of `/proc/PID/stat` after the process name, which may contain spaces. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
}

function parentOf(pid: number): number | undefined {
  return ifThere(() => Number(statOf(pid)[1]));
}

function exeOf(pid: number): string | undefined {
  return ifThere(() => readlinkSync(`/proc/${pid}/exe`));
}

/** A process may end between listing and reading. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
