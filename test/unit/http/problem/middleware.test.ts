import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import { logProblem } from '../../../../src/http/problem/middleware.ts';
import { collectLog } from '../../log-lines.ts';

it('logs which throttle caused a 503', () => {
  const { log, lines } = collectLog();
  logProblem(log, new GatewayError('provider_unavailable', { throttle: 'circuit_breaker' }), 'r1');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'warn',
    requestId: 'r1',
    code: 'provider_unavailable',
    throttle: 'circuit_breaker',
  });
});

it('logs a request at debug level during an outage of the store, which has its own log line', () => {
  const { log, lines } = collectLog();
  logProblem(log, new GatewayError('store_unavailable'), 'r1');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'debug',
    requestId: 'r1',
    code: 'store_unavailable',
    msg: 'request failed',
  });
});
