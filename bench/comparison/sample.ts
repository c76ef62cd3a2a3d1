import type { LoadReport } from '../load/load.ts';
import type { Fixture } from '../fixture.ts';
import { readUsage } from '../usage.ts';
import { RESPONSE_BODY, type Method } from '../workload.ts';
import type { Candidate } from './candidates.ts';

/** A kind of load. */
export type LoadKind = { method: Method; connections: number };

/** The kinds of load that every candidate gets. */
export const kinds = {
  get: { method: 'GET', connections: 32 },
  post: { method: 'POST', connections: 32 },
  single: { method: 'GET', connections: 1 },
} as const satisfies Record<string, LoadKind>;

/** The short name of a kind of load. */
export type KindId = keyof typeof kinds;

/** One measurement of one candidate. */
export type Sample = Omit<LoadReport, 'seconds' | 'max'> & {
  /** User and system time of all the candidate's processes for each request, in microseconds. */
  cpuMicros: number;
  perSecond: number;
  /** Peak resident memory of the candidate's processes, summed. */
  residentPeakBytes: number;
};

/** Loads a candidate for some seconds. All requests are finished before the CPU time is read. */
export async function takeSample(
  { load, upstream }: Fixture,
  candidate: Omit<Candidate, 'id'>,
  { method, connections }: LoadKind,
  seconds: number,
): Promise<Sample> {
  const requests = candidate.requests(method);
  const callsBefore = await upstream.ask('calls');
  const before = readUsage(candidate.pid);
  const report = await load.ask('run', {
    port: candidate.port,
    connections,
    requests,
    expected: RESPONSE_BODY,
    seconds,
  });
  const after = readUsage(candidate.pid);
  const calls = await upstream.ask('calls');

  const { answered, errors, seconds: elapsed, p50, p99, busy } = report;
  const arrived = calls.withToken - callsBefore.withToken;
  const missing = candidate.forwards ? Math.max(0, answered - arrived) : 0;
  return {
    answered,
    errors: { ...errors, ...(missing > 0 && { 'responded without calling the API': missing }) },
    p50,
    p99,
    busy,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / answered,
    perSecond: answered / elapsed,
    residentPeakBytes: after.residentPeakBytes,
  };
}
