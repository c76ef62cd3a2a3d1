import { describe, expect, it } from 'vitest';
import { formatOpenMetrics } from '../../../src/admin/open-metrics.ts';
import { mergeValues } from '../../../src/admin/snapshot.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

/** The exposition of several processes, each after its own requests: their seconds and traces. */
async function expositionOf(...processes: { seconds: number; traceId?: string }[][]): Promise<string[]> {
  const snapshots = await Promise.all(
    processes.map(async (requests) => {
      const metrics = createMetrics();
      for (const { seconds, traceId } of requests) metrics.request('/a"b', 'GET', 200, seconds, traceId);
      // As it arrives from another worker.
      return { checks: [], metrics: JSON.parse(JSON.stringify(await metrics.snapshot())) };
    }),
  );
  const workers = { responding: processes.length, missing: 0 };
  return formatOpenMetrics(await mergeValues(snapshots, workers)).split('\n');
}

const bucket = (le: string) =>
  String.raw`coatcheck_http_request_duration_seconds_bucket{le="${le}",route="/a\"b"}`;

describe('the OpenMetrics exposition', () => {
  it('names counters without _total in their metadata and with it in their samples, once', async () => {
    const lines = await expositionOf([{ seconds: 0.02 }], [{ seconds: 0.02 }]);
    expect(lines).toContain('# TYPE coatcheck_http_requests counter');
    expect(lines).toContain(
      String.raw`coatcheck_http_requests_total{route="/a\"b",method="GET",status="200"} 2`,
    );
    expect(lines).toContain('coatcheck_workers{state="responding"} 2');
    expect(lines.join('\n')).not.toContain('_total_total');
    expect(lines.slice(-2)).toEqual(['# EOF', '']);
  });

  it('gives each bucket the exemplar of its newest traced request, of any process', async () => {
    const trace = (digit: string) => digit.repeat(32);
    const lines = await expositionOf(
      [{ seconds: 0.02, traceId: trace('1') }, { seconds: 0.021, traceId: trace('2') }, { seconds: 0.022 }],
      [
        { seconds: 0.4, traceId: trace('3') },
        { seconds: 60, traceId: trace('4') },
      ],
    );
    const exemplars = lines
      .filter((line) => line.includes('trace_id'))
      .map((line) => line.replace(/ \d{10}(?:\.\d+)?$/, ' TIME'));
    expect(exemplars).toEqual([
      `${bucket('0.025')} 3 # {trace_id="${trace('2')}"} 0.021 TIME`,
      `${bucket('0.5')} 4 # {trace_id="${trace('3')}"} 0.4 TIME`,
      `${bucket('+Inf')} 5 # {trace_id="${trace('4')}"} 60 TIME`,
    ]);
  });

  it('has no exemplar where no request is traced', async () => {
    expect((await expositionOf([{ seconds: 0.02 }])).join('\n')).not.toContain('trace_id');
  });
});
