import { expect, it } from 'vitest';
import { createAccessLog } from '../../../src/http/access-log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createTestClock } from '../clock.ts';
import { collectLog } from '../log-lines.ts';

it('logs the method, path, status, duration and client of a request, but not its query (E23)', async () => {
  const clock = createTestClock();
  const { log, lines } = collectLog();
  const metrics = createMetrics();
  const accessLog = createAccessLog({ log, metrics, clock: clock.now });
  const context = {
    requestId: 'r1',
    startedAtMs: clock.now(),
    target: { path: '/api/x', query: '?token=canary' },
    clientAddress: '203.0.113.9',
    route: '/api',
  };
  clock.advance(250);
  accessLog('GET', 200, context);

  expect(JSON.parse(lines[0] ?? '')).toEqual({
    level: 'info',
    time: expect.any(String),
    requestId: 'r1',
    method: 'GET',
    path: '/api/x',
    route: '/api',
    status: 200,
    durationMs: 250,
    clientAddress: '203.0.113.9',
    msg: 'request',
  });
  const text = await metrics.registry.metrics();
  expect(text).toContain('coatcheck_http_requests_total{route="/api",method="GET",status="200"} 1');
  expect(text).toContain('coatcheck_http_request_duration_seconds_sum{route="/api"} 0.25');
});
