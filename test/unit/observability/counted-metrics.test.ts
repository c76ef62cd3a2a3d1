import { Counter, Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createFastCounter, createFastHistogram } from '../../../src/observability/metrics/counted.ts';

/** A registry with metrics that count in numbers, and one with those of prom-client. */
function openBoth() {
  const [fast, usual] = [new Registry(), new Registry()];
  const counterOptions = {
    name: 'requests_total',
    help: 'All of "them".\nCounted.',
    labelNames: ['route', 'method', 'status'] as const,
  };
  const histogramOptions = {
    name: 'seconds',
    help: 'How long.',
    labelNames: ['route'] as const,
    buckets: [0.001, 0.25, 1, 30],
  };
  const counter = new Counter({ ...counterOptions, registers: [usual] });
  const histogram = new Histogram({ ...histogramOptions, registers: [usual] });
  const count = createFastCounter({ ...counterOptions, registers: [fast] });
  const observe = createFastHistogram({ ...histogramOptions, registers: [fast] });
  return {
    fast,
    usual,
    count(route: string, method: string, status: string) {
      count(route, method, status);
      counter.inc({ route, method, status });
    },
    observe(route: string, seconds: number) {
      observe(route, seconds);
      histogram.observe({ route }, seconds);
    },
  };
}

it('metrics that count in numbers have the text and the values of prom-client, at each scrape', async () => {
  const { fast, usual, count, observe } = openBoth();
  const expectEqual = async () => {
    expect(await fast.metrics()).toBe(await usual.metrics());
    const withoutExemplars = (metrics: unknown) =>
      JSON.stringify(metrics, (key, value: unknown) => (key === 'exemplar' ? undefined : value));
    expect(withoutExemplars(await fast.getMetricsAsJSON())).toBe(
      withoutExemplars(await usual.getMetricsAsJSON()),
    );
  };
  await expectEqual();
  for (const route of ['/', '/api', '/quo"te', '/back\\slash', '/new\nline', 'none']) {
    for (const [method, status] of [
      ['GET', '200'],
      ['POST', '200'],
      ['GET', '502'],
      ['GET', '200'],
    ] as const)
      count(route, method, status);
    for (const seconds of [-0.5, 0, 0.001, 0.0011, 0.25, 0.3, 1, 29.999, 30, 30.001, 1e9])
      observe(route, seconds);
    await expectEqual();
  }
  fast.resetMetrics();
  usual.resetMetrics();
  await expectEqual();
  count('/api', 'GET', '200');
  observe('/api', 0.5);
  await expectEqual();
});
