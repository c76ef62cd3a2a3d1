import type { MetricObject } from 'prom-client';

/** A metric of a snapshot: prom-client's type lacks the values. */
type Metric = MetricObject & { readonly values?: readonly Value[] };
type Value = {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
};

/** Adds the counts of a process that has ended to those of earlier ones. Gauges end with their process. */
export function addPastCounters(
  sum: readonly MetricObject[],
  ended: readonly MetricObject[],
): readonly MetricObject[] {
  const byName = new Map<string, Metric>(sum.map((metric) => [metric.name, metric]));
  for (const metric of ended.filter(isCount)) {
    const known = byName.get(metric.name);
    const values = addValues(known?.values ?? [], exactCounts(metric).values ?? []);
    byName.set(metric.name, { ...metric, values });
  }
  return [...byName.values()];
}

/** A nanosecond, roughly: sums of its multiples are exact up to 8 million seconds. */
const EXACT_STEP = 2 ** -30;

/**
 * The metric with counts whose sum does not depend on their order. Otherwise the last digits of a sum decrease when a process
 * ends and its counts are added first, and Prometheus takes any decrease for a reset.
 */
export function exactCounts(metric: MetricObject): Metric {
  if (!isCount(metric)) return metric;
  const values = metric.values?.map((value) => ({
    ...value,
    value: Math.floor(value.value / EXACT_STEP) * EXACT_STEP,
  }));
  return { ...metric, ...(values !== undefined && { values }) };
}

function addValues(one: readonly Value[], other: readonly Value[]): Value[] {
  const byLabels = new Map<string, Value>();
  for (const value of [...one, ...other]) {
    const key = JSON.stringify([value.metricName, Object.entries(value.labels).toSorted(byFirst)]);
    byLabels.set(key, { ...value, value: value.value + (byLabels.get(key)?.value ?? 0) });
  }
  return [...byLabels.values()];
}

function byFirst([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one.localeCompare(other);
}

/** prom-client writes the types of collected metrics as words. */
export function isCount(metric: MetricObject): metric is Metric {
  const type: unknown = metric.type;
  return type === 'counter' || type === 'histogram';
}
