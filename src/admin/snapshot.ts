import { AggregatorRegistry, Registry, type MetricObject } from 'prom-client';
import type { Check } from './readiness.ts';

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** What one process can say of itself. Plain data, which passes between processes. */
export type Snapshot = { readonly checks: readonly Check[]; readonly metrics: readonly MetricObject[] };

/** The other processes that serve the same listeners. */
export type PeerWorkers = {
  /** Gives what each of the others says of itself; without those that do not answer soon. */
  snapshots(): Promise<readonly Snapshot[]>;
};

/** No other process serves. */
export const noPeers: PeerWorkers = { snapshots: () => Promise.resolve([]) };

/**
 * The checks of all processes as one list: what one of them has reached can be reached, for a process that has only just
 * started does not take the others out of service; and while one goes away, all do.
 */
export function mergeChecks(snapshots: readonly Snapshot[]): readonly Check[] {
  const merged = new Map<string, Check>();
  for (const check of snapshots.flatMap(({ checks }) => checks)) {
    const known = merged.get(check.name);
    if (known === undefined || (check.ok && !known.ok)) merged.set(check.name, check);
  }
  return [...merged.values()];
}

/**
 * The metrics of all processes as one text (Prometheus exposition format): counts are added up. prom-client leaves out what
 * it cannot add, the time at which a process started; here it is that of the oldest.
 */
export function mergeMetrics(snapshots: readonly Snapshot[]): Promise<string> {
  const all = snapshots.map(({ metrics }) =>
    metrics.map((metric) =>
      metric.aggregator === 'omit' ? { ...metric, aggregator: 'min' as const } : metric,
    ),
  );
  return AggregatorRegistry.aggregate(all).metrics();
}
