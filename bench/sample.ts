import type { Fixture } from './fixture.ts';
import { readUsage } from './usage.ts';
import type { LoadReport } from './workers/load.ts';

/** A program under load. */
export type Loaded = {
  readonly pid: number;
  readonly port: number;
  /** The request texts, sent in order, repeatedly. */
  readonly requests: readonly string[];
  /** Whether each request must reach the API with a token. */
  readonly forwards: boolean;
};

/** One measurement of one program. */
export type Sample = LoadReport & {
  /** User and system time of all its processes for each request, in microseconds. */
  cpuMicros: number;
  perSecond: number;
  /** Peak resident memory of its processes, summed. */
  residentPeakBytes: number;
};

/** Loads a program for some seconds. All requests are finished before the CPU time is read. */
export async function takeSample(
  { load, upstream }: Fixture,
  { pid, port, requests, forwards }: Loaded,
  seconds: number,
  connections = 32,
): Promise<Sample> {
  const callsBefore = await upstream.ask('callsWithToken');
  const before = readUsage(pid);
  const report = await load.ask('run', { port, connections, requests, seconds });
  const after = readUsage(pid);
  const { succeeded, errors } = report;
  const missing = succeeded - ((await upstream.ask('callsWithToken')) - callsBefore);
  return {
    ...report,
    errors: { ...errors, ...(forwards && missing > 0 && { 'responded without calling the API': missing }) },
    cpuMicros: (after.cpuMicros - before.cpuMicros) / succeeded,
    perSecond: succeeded / report.seconds,
    residentPeakBytes: after.residentPeakBytes,
  };
}

/**
 * Measures programs side by side: all of them keep running, and each is measured once per round, in a rotating order, so
 * that other load on the machine affects all of them.
 */
export async function takeRounds<Name extends string, T>(
  names: readonly Name[],
  rounds: number,
  take: (name: Name, round: string) => Promise<T>,
): Promise<Record<Name, T[]>> {
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, T[]>;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      samples[name].push(await take(name, `round ${round + 1} of ${rounds}`));
    }
  }
  return samples;
}
