import { describe, expect, it } from 'vitest';
import { Histogram, Registry } from 'prom-client';
import { addPastCounters } from '../../../src/admin/past-counters.ts';
import { mergeMetrics, type Snapshot } from '../../../src/admin/snapshot.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createSeededRandom, type SeededRandom } from '../../../testkit/seeded-random.ts';

/** The names that a text of the exposition format declares. */
function declared(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? '');
}

async function snapshotAfter(signIns: number) {
  const metrics = createMetrics();
  for (let n = 0; n < signIns; n += 1) metrics.sessionStarted();
  return { registry: metrics.registry, metrics: await metrics.registry.getMetricsAsJSON() };
}

describe('the merged metrics of all processes', () => {
  it('the merged text contains every metric that any process has', async () => {
    const one = await snapshotAfter(1);
    const text = await mergeMetrics([{ checks: [], metrics: one.metrics }]);
    expect(declared(text)).toEqual(declared(await one.registry.metrics()));
  });

  it('the merged text adds up counts and reports the start time of the oldest process', async () => {
    const [older, newer] = [await snapshotAfter(2), await snapshotAfter(3)];
    const startedAt = (metrics: typeof older.metrics, seconds: number) =>
      metrics.map((metric) =>
        metric.name === 'process_start_time_seconds'
          ? { ...metric, values: [{ value: seconds, labels: {} }] }
          : metric,
      );
    const text = await mergeMetrics([
      { checks: [], metrics: startedAt(newer.metrics, 1_900_000_000) },
      { checks: [], metrics: startedAt(older.metrics, 1_800_000_000) },
    ]);
    expect(text).toContain('\ncoatcheck_sessions_started_total 5\n');
    expect(text).toContain('\nprocess_start_time_seconds 1800000000\n');
  });

  it('the merged sum of a histogram does not decrease when a process ends, in whatever order its counts are added', async () => {
    const sumOf = async (...counts: readonly Snapshot['metrics'][]) => {
      const text = await mergeMetrics(counts.map((metrics) => ({ checks: [], metrics })));
      return Number(/^seconds_sum (\S+)$/m.exec(text)?.[1]);
    };
    const random = createSeededRandom();
    for (let round = 0; round < 50; round += 1) {
      const [one, two, three] = await Promise.all([histogram(random), histogram(random), histogram(random)]);
      const past = addPastCounters([], one);
      const before = await sumOf(two, three, past);
      expect(await sumOf(three, addPastCounters(past, two))).toBe(before);
    }
  });
});

/** The metrics of a process that has observed a few durations. */
async function histogram(random: SeededRandom): Promise<Snapshot['metrics']> {
  const registry = new Registry();
  const seconds = new Histogram({ name: 'seconds', help: 'durations', registers: [registry] });
  for (let n = 0; n < 5; n += 1) seconds.observe(random.between(1, 1_000_000) / 1_000_003);
  return registry.getMetricsAsJSON();
}
