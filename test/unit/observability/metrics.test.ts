import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/observability/metrics.ts';

/** The lines of the exposition that are not about the process or Node. */
async function exposed(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !/^coatcheck_(?:process|nodejs)_/.test(line));
}

describe('the meters', () => {
  it('the metrics have the names and labels of the contract', async () => {
    const metrics = createMetrics();
    metrics.request('/api', 'GET', 200, 0.02);
    metrics.refresh('refreshed');
    metrics.refreshDuration(0.3);
    metrics.lockWait(0.001);
    metrics.upstream401('replayed');
    metrics.sessionStarted();
    metrics.sessionEnded('logout');
    metrics.storeError('load');
    metrics.providerUp(1);
    metrics.storeUp(0);
    metrics.wrongAdminToken();
    const lines = await exposed(metrics);
    expect(lines).toEqual(
      expect.arrayContaining([
        'coatcheck_http_requests_total{route="/api",method="GET",status="200"} 1',
        'coatcheck_http_request_duration_seconds_count{route="/api"} 1',
        'coatcheck_http_request_duration_seconds_sum{route="/api"} 0.02',
        'coatcheck_refresh_total{outcome="refreshed"} 1',
        'coatcheck_refresh_duration_seconds_sum 0.3',
        'coatcheck_refresh_lock_wait_seconds_sum 0.001',
        'coatcheck_upstream_401_total{action="replayed"} 1',
        'coatcheck_sessions_started_total 1',
        'coatcheck_sessions_ended_total{reason="logout"} 1',
        'coatcheck_store_errors_total{op="load"} 1',
        'coatcheck_provider_up 1',
        'coatcheck_store_up 0',
        'coatcheck_admin_wrong_tokens_total 1',
      ]),
    );
  });

  it('the metrics count requests by route, method and status', async () => {
    const metrics = createMetrics();
    metrics.request('/api', 'GET', 200, 0.01);
    metrics.request('/api', 'GET', 200, 0.01);
    metrics.request('/api', 'POST', 200, 0.01);
    metrics.request('/api', 'GET', 502, 0.01);
    metrics.request('/other', 'GET', 200, 0.01);
    expect(
      (await exposed(metrics)).filter((line) => line.startsWith('coatcheck_http_requests_total')),
    ).toEqual([
      'coatcheck_http_requests_total{route="/api",method="GET",status="200"} 2',
      'coatcheck_http_requests_total{route="/api",method="POST",status="200"} 1',
      'coatcheck_http_requests_total{route="/api",method="GET",status="502"} 1',
      'coatcheck_http_requests_total{route="/other",method="GET",status="200"} 1',
    ]);
  });

  it('the metrics belong to one gateway, not to the process', async () => {
    const [one, two] = [createMetrics(), createMetrics()];
    one.sessionStarted();
    expect(await exposed(two)).toContain('coatcheck_sessions_started_total 0');
  });

  it('the metrics all have the prefix, including those of the process', async () => {
    const text = await createMetrics().registry.metrics();
    const names = text.split('\n').filter((line) => line.startsWith('# TYPE '));
    expect(names.filter((line) => !line.startsWith('# TYPE coatcheck_'))).toEqual([]);
  });
});
