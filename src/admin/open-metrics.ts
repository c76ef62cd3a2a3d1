import type { MetricObject } from 'prom-client';
import type { Exemplar, MetricValue, MetricWithValues } from '../observability/metrics/exemplars.ts';

export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** True when a scraper accepts OpenMetrics, as Prometheus does. */
export function acceptsOpenMetrics(accept: string | undefined): boolean {
  return accept?.includes('application/openmetrics-text') === true;
}

/**
 * The metrics as OpenMetrics 1.0 text, which has exemplars. prom-client 15 would give counters of other processes the suffix
 * `_total` twice, and drops the exemplars when it merges.
 */
export function formatOpenMetrics(metrics: readonly MetricObject[]): string {
  return `${metrics.flatMap(linesOf).join('\n')}\n# EOF\n`;
}

/** The newest exemplar of each value of the merged metrics, which several processes may have. */
export function withExemplars(
  merged: readonly MetricObject[],
  sources: readonly (readonly MetricObject[])[],
): MetricWithValues[] {
  const newest = new Map<string, Exemplar>();
  const keyOf = (name: string, { labels }: MetricValue) =>
    JSON.stringify([name, Object.entries(labels).toSorted(([one], [other]) => one.localeCompare(other))]);
  const all: readonly MetricWithValues[] = sources.flat();
  for (const { name, values = [] } of all) {
    for (const value of values) {
      const { exemplar } = value;
      if (!exemplar) continue;
      const known = newest.get(keyOf(name, value));
      if (known === undefined || known.timestampSeconds < exemplar.timestampSeconds)
        newest.set(keyOf(name, value), exemplar);
    }
  }
  if (newest.size === 0) return [...merged];
  return merged.map((metric: MetricWithValues) => {
    const values = metric.values?.map((value) => {
      const exemplar = value.labels['le'] === undefined ? undefined : newest.get(keyOf(metric.name, value));
      return exemplar === undefined ? value : { ...value, exemplar };
    });
    return values === undefined ? metric : { ...metric, values };
  });
}

function linesOf(metric: MetricWithValues): string[] {
  const type: unknown = metric.type;
  const family = type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  const sampleName = type === 'counter' ? `${family}_total` : family;
  return [
    `# TYPE ${family} ${String(type)}`,
    `# HELP ${family} ${escaped(metric.help)}`,
    ...(metric.values ?? []).map((value) => sampleLine(value.metricName ?? sampleName, value)),
  ];
}

function sampleLine(name: string, { labels, value, exemplar }: MetricValue): string {
  const line = `${name}${labelSet(labels)} ${numberText(value)}`;
  if (!exemplar) return line;
  const { traceId, value: seconds, timestampSeconds } = exemplar;
  return `${line} # {trace_id="${traceId}"} ${seconds} ${timestampSeconds}`;
}

function labelSet(labels: MetricValue['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(text: string): string {
  return text
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`);
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
