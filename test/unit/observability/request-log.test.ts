import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHostedLogger, createLogger, type LogDestination } from '../../../src/observability/log.ts';
import { createRecentProblems } from '../../../src/observability/recent-problems.ts';
import { createRequestLog, type RequestFields } from '../../../src/observability/request-log.ts';

const fields: RequestFields = {
  requestId: '6f1c5a0e-8a3b-4a57-9d0f-0c7a4c1d2e3f',
  traceId: undefined,
  method: 'GET',
  path: '/api/items',
  route: '/api',
  status: 200,
  durationMs: 3,
  clientAddress: '203.0.113.9',
  omitted: undefined,
};

let lines: string[] = [];
beforeEach(() => {
  lines = [];
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 30) });
});
afterEach(() => vi.useRealTimers());

/** A log with a destination as the gateway's own. */
function openOwnLog(level: 'info' | 'warn' = 'info') {
  const write = (line: string) => void lines.push(line);
  const destination: LogDestination = {
    write,
    setFormat: () => undefined,
    flushSync: () => undefined,
    recentProblems: createRecentProblems(),
  };
  return createLogger({ level, format: 'json' }, destination);
}

describe('the line about a request in the log of the gateway', () => {
  const hostile = [
    '/"},{"level":"error"',
    '/back\\slash\\',
    '/line\r\n{"level":"fatal"}\n',
    '/\u0000\u001b[31m\u007f',
    '/sep\u2028\u2029',
    '/ü/€/😀',
    `/${'a"b\\c'.repeat(50)}`,
    '',
  ];

  it.each([
    ['a usual request', {}],
    ['a traced request', { traceId: '0af7651916cd43dd8448eb211c80319c' }],
    ['omitted lines', { omitted: 12 }],
    ['a duration below zero, after the clock was set', { durationMs: -5 }],
    ...hostile.flatMap((text): [string, Partial<RequestFields>][] => [
      [`the path ${JSON.stringify(text)}`, { path: text }],
      [`the method ${JSON.stringify(text)}`, { method: text }],
      [`the route ${JSON.stringify(text)}`, { route: text }],
      [`the client address ${JSON.stringify(text)}`, { clientAddress: text }],
    ]),
  ])("is exactly pino's line: %s (E23)", (_what, other) => {
    for (const log of [openOwnLog(), openOwnLog().child({ worker: 3, 'a"b': 'c"d' })]) {
      lines = [];
      const given = { ...fields, ...other };
      log.info(given, 'request');
      createRequestLog(log)(given);
      expect(lines).toEqual([lines[0], lines[0]]);
      expect(JSON.parse(lines[1] ?? '')).toMatchObject(other);
    }
  });

  it('has the time at which it is written', () => {
    const logRequest = createRequestLog(openOwnLog());
    logRequest(fields);
    vi.advanceTimersByTime(1);
    logRequest(fields);
    expect(lines.map((line): unknown => JSON.parse(line).time)).toEqual([
      '2026-11-30T00:00:00.000Z',
      '2026-11-30T00:00:00.001Z',
    ]);
  });

  it('is written while the level includes info, and follows a change of the level', () => {
    const log = openOwnLog('warn');
    const logRequest = createRequestLog(log);
    logRequest(fields);
    expect(lines).toEqual([]);
    log.level = 'info';
    logRequest(fields);
    expect(lines).toHaveLength(1);
  });
});

it("the line about a request in the log of a host has the host's format", () => {
  const host = pino(
    { base: { app: 'shop' }, messageKey: 'text', timestamp: false },
    { write: (line) => void lines.push(line) },
  );
  createRequestLog(createHostedLogger(host))(fields);
  const { traceId: _traceId, omitted: _omitted, ...logged } = fields;
  expect(JSON.parse(lines[0] ?? '')).toEqual({ level: 30, app: 'shop', text: 'request', ...logged });
});
