import type { MetricObject } from 'prom-client';

/** One observed request of a bucket, with the trace that shows it (OpenMetrics 1.0, section 4.6.1). */
export type Exemplar = {
  readonly traceId: string;
  readonly value: number;
  readonly timestampSeconds: number;
};

/** A value of a snapshot: prom-client's type lacks them. */
export type MetricValue = {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
  /** prom-client has null for a value without one. */
  readonly exemplar?: Exemplar | null;
};

/** A metric of a snapshot with its values. */
export type MetricWithValues = MetricObject & { readonly values?: readonly MetricValue[] };

/**
 * The newest exemplar of each bucket of one histogram. prom-client 15 would hash the labels twice for an observation with an
 * exemplar, so they are kept here and added to its snapshot.
 */
export type Exemplars = {
  record(route: string, seconds: number, traceId: string): void;
  /** The metrics, with the exemplars in the histogram of this name. */
  addTo(metrics: readonly MetricObject[]): MetricWithValues[];
};

export function createExemplars(name: string, buckets: readonly number[]): Exemplars {
  const byRoute = new Map<string, Map<string, Exemplar>>();
  return {
    record(route, value, traceId) {
      const bound = buckets.find((upper) => value <= upper) ?? '+Inf';
      const byBucket = byRoute.get(route) ?? new Map<string, Exemplar>();
      byRoute.set(
        route,
        byBucket.set(String(bound), { traceId, value, timestampSeconds: Date.now() / 1000 }),
      );
    },
    addTo: (metrics) =>
      metrics.map((metric: MetricWithValues) => {
        if (metric.name !== name || byRoute.size === 0) return metric;
        const values = (metric.values ?? []).map((value) => {
          const { le, route } = value.labels;
          const exemplar = le === undefined ? undefined : byRoute.get(String(route))?.get(String(le));
          return exemplar === undefined ? value : { ...value, exemplar };
        });
        return { ...metric, values };
      }),
  };
}
