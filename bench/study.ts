import type { Cleanup } from './cleanup.ts';
import type { Report } from './report/report.ts';

/** How much is done for the figures. */
export type Effort = {
  /** `quick` shows in about a minute where things stand; `long` takes what takes long as well. */
  readonly length: 'quick' | 'usual' | 'long';
  /** The cases that are wanted, by their short names; all, when undefined. */
  readonly only: readonly string[] | undefined;
  /** Told how far it is. */
  readonly say: (line: string) => void;
  /** Closes what is open when the run ends early. */
  readonly cleanup: Cleanup;
};

/** One subject of the benchmark: how it is measured, and how what was measured is told. */
export type Study<Data> = {
  readonly title: string;
  /** The short names of the cases that can be chosen. */
  readonly cases: readonly string[];
  measure(effort: Effort): Promise<Data>;
  report(data: Data): Report;
};

/** Chooses a study's measure by the length of the run. */
export function byLength<T>({ length }: Effort, measures: Record<Effort['length'], T>): T {
  return measures[length];
}
