import type { Fixture } from './fixture.ts';
import type { PeerName } from './peers/peers.ts';
import type { Report } from './report/report.ts';

/** The extent of a run. */
export type Effort = {
  /** `quick` gives an estimate in about a minute; `long` gives more precise results. */
  readonly length: 'quick' | 'usual' | 'long';
  /** The short names of the chosen cases; undefined for all. */
  readonly only: readonly string[] | undefined;
  /** The programs to compare with, of those in `peers/`. */
  readonly peers: readonly PeerName[];
  /** Reports progress. */
  readonly say: (line: string) => void;
};

/** One subject of the benchmark. */
export type Study = {
  readonly title: string;
  /** The short names of the cases that can be chosen. */
  readonly cases: readonly string[];
  measure(fixture: Fixture, effort: Effort): Promise<Report>;
};

/** Chooses a study's measure by the length of the run. */
export function byLength<T>({ length }: Effort, measures: Record<Effort['length'], T>): T {
  return measures[length];
}
