import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import { createProblemLog } from '../../../../src/http/problem/middleware.ts';
import { collectLog } from '../../log-lines.ts';

it('logs which throttle caused a 503', () => {
  const { log, lines } = collectLog();
  createProblemLog(log)(new GatewayError('provider_unavailable', { throttle: 'circuit_breaker' }), 'r1');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'warn',
    requestId: 'r1',
    code: 'provider_unavailable',
    throttle: 'circuit_breaker',
  });
});

it('logs a request at debug level during an outage of the store, which has its own log line', () => {
  const { log, lines } = collectLog();
  createProblemLog(log)(new GatewayError('store_unavailable'), 'r1');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'debug',
    requestId: 'r1',
    code: 'store_unavailable',
    msg: 'request failed',
  });
});

it('logs one of many requests that an outage of the provider fails at warn, for each throttle, and the others at debug', () => {
  const { log, lines } = collectLog();
  const logProblem = createProblemLog(log);
  for (const throttle of [undefined, 'circuit_breaker'] as const) {
    for (let request = 0; request < 100; request += 1)
      logProblem(new GatewayError('provider_unavailable', { throttle }), `r${request}`);
  }
  const warnings = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
  expect(warnings.map(({ requestId, throttle }) => [requestId, throttle])).toEqual([
    ['r0', undefined],
    ['r0', 'circuit_breaker'],
  ]);
  expect(lines).toHaveLength(200);
});
