import { Counter, Histogram, type CounterConfiguration, type HistogramConfiguration } from 'prom-client';
import { cachedByLabels } from './children.ts';

/*
 * Metrics of every request. prom-client 15 makes a text of the labels and of the bucket for each observation; these count in
 * numbers, and give prom-client the result when it is asked.
 */

/** Creates a counter of these three labels; gives the function that counts. */
export function createFastCounter<Label extends string>(
  options: CounterConfiguration<Label> & { readonly labelNames: readonly [Label, Label, Label] },
): (a: string, b: string, c: string) => void {
  const [first, second, third] = options.labelNames;
  const all: { readonly labels: Partial<Record<Label, string>>; added: number }[] = [];
  const childOf = cachedByLabels((a, b, c) => {
    const labels: Partial<Record<Label, string>> = {};
    [labels[first], labels[second], labels[third]] = [a, b, c];
    const child = { labels, added: 0 };
    all.push(child);
    return child;
  });
  new Counter<Label>({
    ...options,
    collect() {
      for (const child of all) {
        if (child.added > 0) this.inc(child.labels, child.added);
        child.added = 0;
      }
    },
  });
  return (a, b, c) => void (childOf(a, b, c).added += 1);
}

/** What was observed for one value of the label. The last count is of values above every bound. */
type Observed = { readonly counts: number[]; sum: number };

/** Creates a histogram of one label; gives the function that observes. */
export function createFastHistogram<Label extends string>(
  options: HistogramConfiguration<Label> & {
    readonly labelNames: readonly [Label];
    readonly buckets: readonly number[];
  },
): (label: string, value: number) => void {
  const { name, buckets: bounds } = options;
  const [labelName] = options.labelNames;
  const observedBy = new Map<string, Observed>();
  const given = { ...options, buckets: [...bounds] };
  const histogram = new Histogram<Label>(given);

  const valuesOf = ([label, { counts, sum }]: [string, Observed]) => {
    const labels: Partial<Record<Label, string>> = {};
    labels[labelName] = label;
    let total = 0;
    const buckets = counts.map((count, at) => {
      total += count;
      return { value: total, metricName: `${name}_bucket`, labels: { le: bounds[at] ?? '+Inf', ...labels } };
    });
    return [
      ...buckets,
      { value: sum, metricName: `${name}_sum`, labels },
      { value: total, metricName: `${name}_count`, labels },
    ];
  };
  const empty = new Histogram<Label>({ ...given, registers: [] });
  const get = async () => ({ ...(await empty.get()), values: [...observedBy].flatMap(valuesOf) });
  // A registry calls the second one for its text.
  Object.assign(histogram, { get, getForPromString: get, reset: () => observedBy.clear() });

  return (label, value) => {
    let observed = observedBy.get(label);
    if (observed === undefined)
      observedBy.set(
        label,
        (observed = { counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 }),
      );
    const { counts } = observed;
    let at = 0;
    while (value > (bounds[at] ?? Infinity)) at += 1;
    counts[at] = (counts[at] ?? 0) + 1;
    observed.sum += value;
  };
}
