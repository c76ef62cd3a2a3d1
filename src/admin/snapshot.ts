import { AggregatorRegistry, Gauge, Registry, type MetricObject } from 'prom-client';
import type { Activity } from './activity.ts';
import { withExemplars } from './open-metrics.ts';
import { exactCounts, isCount } from './past-counters.ts';
import type { Check } from './readiness.ts';
import type { PEER_SNAPSHOTS_TIMEOUT_MS } from '../timing.ts';

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The checks and metrics of one process, as plain data that can be sent between processes. */
export type Snapshot = {
  readonly checks: readonly Check[];
  readonly metrics: readonly MetricObject[];
  /** Absent for a process that did not respond or has ended. */
  readonly activity?: Activity | undefined;
};

/** What a process learns of its peer workers. */
export type PeerSnapshots = {
  /** The peer workers that run, with their last known metrics where `missing` counts them, and the counts of past ones. */
  readonly snapshots: readonly Snapshot[];
  /** How many peer workers responded in time, and how many did not. */
  readonly responding: number;
  readonly missing: number;
  /** False if the supervisor did not respond: nobody knows the counts of the peers and of past workers. */
  readonly hasCounts: boolean;
};

/** What one process knows of all. */
export type Snapshots = { readonly own: Snapshot; readonly peers: PeerSnapshots };

/** Who waits for snapshots, which decides how long. */
export type SnapshotReader = keyof typeof PEER_SNAPSHOTS_TIMEOUT_MS;

/** Collects the checks and metrics of every serving process. */
export type CollectSnapshots = (reader: SnapshotReader) => Promise<Snapshots>;

/** The other workers on the same listeners. */
export type PeerWorkers = {
  /** Exchanges the metrics of this process for the snapshots of its peers; its counts stay known when it ends. */
  collectSnapshots(own: Snapshot['metrics'], reader: SnapshotReader): Promise<PeerSnapshots>;
};

/** For a process that serves alone. */
export const noPeers: PeerWorkers = {
  collectSnapshots: () => Promise.resolve({ snapshots: [], responding: 0, missing: 0, hasCounts: true }),
};

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
  return aggregated(snapshots).metrics();
}

/** The same as {@link mergeMetrics} with {@link scrapeMetrics}, as plain data, with the exemplars of all processes. */
export async function mergeValues(
  snapshots: readonly Snapshot[],
  workers: ScrapedWorkers,
): Promise<readonly MetricObject[]> {
  const merged = await aggregated(snapshots).getMetricsAsJSON();
  const scrape = await scrapeRegistry(workers).getMetricsAsJSON();
  const sources = snapshots.map(({ metrics }) => metrics);
  return [...withExemplars(merged, sources), ...scrape];
}

function aggregated(snapshots: readonly Snapshot[]) {
  const all = snapshots.map(({ metrics }) =>
    metrics.map((metric) =>
      metric.aggregator === 'omit' ? { ...metric, aggregator: 'min' as const } : exactCounts(metric),
    ),
  );
  return AggregatorRegistry.aggregate(all);
}

/**
 * The snapshots whose metrics a scrape reports. Without the counts of all workers it has none: smaller ones would seem to
 * decrease, and a gap does not.
 */
export function scrapedSnapshots({ own, peers }: Snapshots): readonly Snapshot[] {
  if (peers.hasCounts) return [own, ...peers.snapshots];
  return [{ ...own, metrics: own.metrics.filter((metric) => !isCount(metric)) }];
}

/** States how many workers have current metrics in a scrape. The counters of the others are those of an earlier scrape, or none. */
export function scrapeMetrics(workers: ScrapedWorkers): Promise<string> {
  return scrapeRegistry(workers).metrics();
}

type ScrapedWorkers = { responding: number; missing: number };

function scrapeRegistry(workers: ScrapedWorkers): Registry {
  const registry = new Registry();
  const gauge = new Gauge({
    name: 'coatcheck_workers',
    help: 'Worker processes, by whether their current metrics are in this scrape: responding, or missing (hanging or starting; their last known counters are).',
    labelNames: ['state'],
    registers: [registry],
  });
  gauge.set({ state: 'responding' }, workers.responding);
  gauge.set({ state: 'missing' }, workers.missing);
  return registry;
}

/** What all processes remember of the last hour. */
export function activitiesOf({ own, peers }: Snapshots): readonly Activity[] {
  return [own, ...peers.snapshots].flatMap(({ activity }) => activity ?? []);
}
