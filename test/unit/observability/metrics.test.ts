import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/observability/metrics.ts';

/** The lines of the exposition that are not about the process or Node. */
async function exposed(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !/^(?:process|nodejs)_/.test(line));
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

  it('the metrics of the gateway have its prefix, and those of the process their usual names', async () => {
    const text = await createMetrics().registry.metrics();
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
    expect(names.filter((name) => !/^(?:coatcheck|process|nodejs)_/.test(name))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(['process_cpu_seconds_total', 'nodejs_heap_size_used_bytes']),
    );
  });

  it('the gauges are read at each scrape, and a number of keys that nobody knows is absent', async () => {
    const metrics = createMetrics();
    let keys: number | undefined = 7;
    let isOpen = true;
    metrics.readFrom({
      openWebSockets: () => 3,
      storeKeys: () => keys,
      breakers: () => [{ breaker: 'upstream_401', route: '/api', isOpen }],
    });
    metrics.requestBegan();
    expect(await exposed(metrics)).toEqual(
      expect.arrayContaining([
        'coatcheck_websockets_open 3',
        'coatcheck_store_keys 7',
        'coatcheck_requests_in_flight 1',
        'coatcheck_breaker_open{breaker="upstream_401",route="/api"} 1',
      ]),
    );
    [keys, isOpen] = [undefined, false];
    metrics.requestEnded();
    const later = await exposed(metrics);
    expect(later).toContain('coatcheck_requests_in_flight 0');
    expect(later).toContain('coatcheck_breaker_open{breaker="upstream_401",route="/api"} 0');
    expect(later.join('\n')).not.toContain('coatcheck_store_keys');
  });
});
