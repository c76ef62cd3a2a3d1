import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMetrics, type Metrics } from '../../../src/observability/metrics.ts';
import type { OutageLog } from '../../../src/observability/outage-log.ts';
import { createStoreHealth } from '../../../src/redis/store-health.ts';
import { OUTAGE_RECOVERY_MS, OUTAGE_REPORT_INTERVAL_MS } from '../../../src/timing.ts';
import { collectLog } from '../log-lines.ts';

let health: OutageLog;
let metrics: Metrics;
let lines: () => Record<string, unknown>[];

beforeEach(() => {
  vi.useFakeTimers();
  const captured = collectLog();
  lines = () => captured.lines.map((line): Record<string, unknown> => JSON.parse(line));
  metrics = createMetrics();
  health = createStoreHealth({ log: captured.log, metrics });
});

afterEach(() => {
  health.close();
  vi.useRealTimers();
});

const gauge = async () =>
  (await metrics.registry.getSingleMetric('coatcheck_store_up')?.get())?.values[0]?.value;
const messages = () => lines().map(({ msg }) => msg);
const fail = () => health.failed('load', new Error('refused'));

describe('the health of the store', () => {
  it('is up after the first success, without a line in the log', async () => {
    expect(await gauge()).toBe(0);
    health.succeeded();
    expect(await gauge()).toBe(1);
    expect(messages()).toEqual([]);
  });

  it('is down from the first failure, with one line, however many follow', async () => {
    health.succeeded();
    for (let count = 0; count < 100; count += 1) fail();
    expect(await gauge()).toBe(0);
    expect(messages()).toEqual(['session store unavailable']);
  });

  it('stays down while some operations fail and others succeed', async () => {
    for (let round = 0; round < 100; round += 1) {
      fail();
      vi.advanceTimersByTime(OUTAGE_RECOVERY_MS - 1);
      health.succeeded();
      expect(await gauge()).toBe(0);
    }
    expect(messages()).not.toContain('session store available again');
  });

  it('is up again once operations succeed and none has failed for a while', async () => {
    fail();
    health.failed('touch', new Error('refused'));
    vi.advanceTimersByTime(1_000);
    health.succeeded();
    expect(await gauge()).toBe(0);
    vi.advanceTimersByTime(OUTAGE_RECOVERY_MS);
    expect(await gauge()).toBe(1);
    expect(lines().at(-1)).toMatchObject({
      level: 'info',
      msg: 'session store available again',
      failures: 2,
      durationMs: OUTAGE_RECOVERY_MS,
    });
  });

  it('stays down without any success, however long nothing fails', async () => {
    fail();
    vi.advanceTimersByTime(OUTAGE_RECOVERY_MS * 10);
    expect(await gauge()).toBe(0);
    health.succeeded();
    expect(await gauge()).toBe(1);
  });

  it('logs the number of failures by operation at intervals, and only if there were any', () => {
    fail();
    for (let count = 0; count < 3; count += 1) fail();
    health.failed('connect', new Error('reset'));
    vi.advanceTimersByTime(OUTAGE_REPORT_INTERVAL_MS);
    expect(lines().at(-1)).toMatchObject({
      level: 'error',
      msg: 'session store still unavailable',
      failures: { load: 4, connect: 1 },
      err: { message: 'reset' },
    });
    vi.advanceTimersByTime(OUTAGE_REPORT_INTERVAL_MS * 3);
    expect(lines()).toHaveLength(2);
  });

  it('logs one line for each further outage', () => {
    for (let round = 0; round < 2; round += 1) {
      fail();
      health.succeeded();
      vi.advanceTimersByTime(OUTAGE_RECOVERY_MS);
    }
    const outage = ['session store unavailable', 'session store available again'];
    expect(messages()).toEqual([...outage, ...outage]);
  });
});
