import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mergeActivity, startMinuteHistory } from '../../../src/admin/activity.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

const MINUTE_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000 * MINUTE_MS + 20_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function openHistory() {
  const metrics = createMetrics();
  const history = startMinuteHistory({ read: () => metrics.registry.getMetricsAsJSON(), clock: Date.now });
  return { metrics, history };
}

describe('the history of a process', () => {
  it('has the requests, errors, failed refreshes and durations of each minute apart', async () => {
    const { metrics, history } = openHistory();
    metrics.request('/api', 'GET', 200, 0.004);
    metrics.request('/api', 'GET', 503, 0.2);
    metrics.refresh('kept');
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    metrics.request('/other', 'POST', 200, 0.004);
    metrics.refresh('refreshed');
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    const [first, second] = history.minutes;
    expect(first).toMatchObject({ startsAt: 60_000, requests: 2, serverErrors: 1, failedRefreshes: 1 });
    expect(second).toMatchObject({ startsAt: 60_060, requests: 1, serverErrors: 0, failedRefreshes: 0 });
    const upTo = (bound: number | null) => history.bounds.indexOf(bound);
    expect(first?.durations[upTo(0.005)]).toBe(1);
    expect(first?.durations[upTo(0.25)]).toBe(2);
    expect(second?.durations.at(-1)).toBe(1);
    history.stop();
  });

  it('has the last sixty minutes only', async () => {
    const { history } = openHistory();
    await vi.advanceTimersByTimeAsync(70 * MINUTE_MS);
    expect(history.minutes).toHaveLength(60);
    expect(history.minutes[0]?.startsAt).toBe(60_000 + 600);
    history.stop();
  });
});

describe('the activity of several processes', () => {
  const minute = (startsAt: number, requests: number) => ({
    startsAt,
    requests,
    serverErrors: 1,
    failedRefreshes: 0,
    durations: [requests, requests],
  });
  const problem = (time: string) => ({ time, level: 'warn', msg: 'request failed' });

  it('adds up their minutes and sorts their lines by time', () => {
    const merged = mergeActivity([
      { minutes: [minute(60, 3)], bounds: [1, null], problems: [problem('3')], audit: [] },
      { minutes: [], bounds: [], problems: [], audit: [] },
      {
        minutes: [minute(60, 4), minute(120, 5)],
        bounds: [1, null],
        problems: [problem('2')],
        audit: [{ event: 'sign_in', time: '1' }],
      },
    ]);
    expect(merged.minutes).toEqual([
      { startsAt: 60, requests: 7, serverErrors: 2, failedRefreshes: 0, durations: [7, 7] },
      { startsAt: 120, requests: 5, serverErrors: 1, failedRefreshes: 0, durations: [5, 5] },
    ]);
    expect(merged.bounds).toEqual([1, null]);
    expect(merged.problems.map(({ time }) => time)).toEqual(['2', '3']);
    expect(merged.audit).toHaveLength(1);
  });
});
