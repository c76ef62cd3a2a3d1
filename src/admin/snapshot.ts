import { AggregatorRegistry, Registry, type MetricObject } from 'prom-client';
import type { Check } from './readiness.ts';

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The checks and metrics of one process, as plain data that can be sent between processes. */
export type Snapshot = { readonly checks: readonly Check[]; readonly metrics: readonly MetricObject[] };

/** The other workers on the same listeners. */
export type PeerWorkers = {
  /** Returns the snapshots of the peer workers. Omits those that do not respond in time. */
  snapshots(): Promise<readonly Snapshot[]>;
};

/** For a process that serves alone. */
export const noPeers: PeerWorkers = { snapshots: () => Promise.resolve([]) };

/**
 * Merges the checks of all processes. A check passes if it passes in any process, so that a process that has just started
 * does not make the others unready. The `draining` check exists only in a draining process, so it makes all unready.
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
 * Merges the metrics of all processes into one text (Prometheus exposition format) and sums the counters. prom-client omits
 * the process start time, which cannot be summed; here it is the start time of the oldest process.
 */
export function mergeMetrics(snapshots: readonly Snapshot[]): Promise<string> {
  const all = snapshots.map(({ metrics }) =>
    metrics.map((metric) =>
      metric.aggregator === 'omit' ? { ...metric, aggregator: 'min' as const } : metric,
    ),
  );
  return AggregatorRegistry.aggregate(all).metrics();
}
