import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createProviderHealth, type ProviderHealth } from '../../../src/provider/provider-health.ts';
import { OUTAGE_RECOVERY_MS, OUTAGE_REPORT_INTERVAL_MS } from '../../../src/timing.ts';
import { collectLog } from '../log-lines.ts';

let health: ProviderHealth;
let lines: () => Record<string, unknown>[];

beforeEach(() => {
  vi.useFakeTimers();
  const captured = collectLog();
  lines = () => captured.lines.map((line): Record<string, unknown> => JSON.parse(line));
  health = createProviderHealth({ log: captured.log, metrics: createMetrics() });
});
afterEach(() => {
  health.close();
  vi.useRealTimers();
});

const fail = () => health.failed(new Error('the provider responded with status 503'));

it('says nothing of a provider that has not been discovered yet, which discovery reports', () => {
  fail();
  health.responded();
  expect(health.state()).toBe('unknown');
  expect(lines()).toEqual([]);
});

it('logs one line for an outage, the number of failed calls while it lasts, and its end', () => {
  health.established();
  for (let call = 0; call < 100; call += 1) fail();
  expect(health.state()).toBe('down');
  expect(lines()).toMatchObject([
    {
      level: 'error',
      msg: 'identity provider unavailable',
      err: { message: 'the provider responded with status 503' },
    },
  ]);
  vi.advanceTimersByTime(OUTAGE_REPORT_INTERVAL_MS);
  expect(lines().at(-1)).toMatchObject({
    msg: 'identity provider still unavailable',
    failures: { call: 100 },
  });
  health.responded();
  expect(health.state()).toBe('up');
  expect(lines().at(-1)).toMatchObject({
    level: 'info',
    msg: 'identity provider available again',
    failures: 100,
  });
});

it('logs one outage while some calls fail and others succeed', () => {
  health.established();
  for (let call = 0; call < 20; call += 1) {
    fail();
    vi.advanceTimersByTime(OUTAGE_RECOVERY_MS - 1);
    health.responded();
    expect(health.state()).toBe('up');
  }
  const outages = lines().filter(({ msg }) => msg === 'identity provider unavailable');
  expect(outages).toHaveLength(1);
});
