import type { MetricObject } from 'prom-client';
import type { AuditLine } from '../observability/audit.ts';
import type { Problem } from '../observability/recent-problems.ts';

/** What happened in a minute. */
export type Minute = {
  /** When it began, in seconds since the epoch; a multiple of 60. */
  readonly startsAt: number;
  readonly requests: number;
  /** Responses with a status of 500 or more. */
  readonly serverErrors: number;
  /** Refreshes that brought no token. */
  readonly failedRefreshes: number;
  /** The number of requests up to each of the durations in `bounds`. */
  readonly durations: readonly number[];
};

/** What a process remembers of the last hour, as plain data that can be sent between processes. */
export type Activity = {
  readonly minutes: readonly Minute[];
  /** The upper bounds of `durations`, in seconds; the last is Infinity, `null` in JSON. */
  readonly bounds: readonly (number | null)[];
  readonly problems: readonly Problem[];
  readonly audit: readonly AuditLine[];
};

/** Samples the metrics once a minute. */
export type MinuteHistory = Pick<Activity, 'minutes' | 'bounds'> & { stop(): void };

const MINUTES = 60;
const MINUTE_MS = 60_000;

type Totals = Omit<Minute, 'startsAt'> & { readonly bounds: readonly (number | null)[] };
/** prom-client's type lacks the values. */
type Metric = MetricObject & { readonly values?: readonly Value[] };
type Value = { value: number; labels: Record<string, string | number>; metricName?: string };

/** `read` returns the metrics of this process. */
export function startMinuteHistory(deps: {
  read: () => Promise<readonly MetricObject[]>;
  clock: () => number;
}): MinuteHistory {
  const { read, clock } = deps;
  const minutes: Minute[] = [];
  let before: Totals = emptyTotals;

  const sample = async () => {
    const now = totalsOf(await read());
    const startsAt = Math.floor(clock() / MINUTE_MS) * 60 - 60;
    minutes.push({
      startsAt,
      requests: now.requests - before.requests,
      serverErrors: now.serverErrors - before.serverErrors,
      failedRefreshes: now.failedRefreshes - before.failedRefreshes,
      durations: now.durations.map((count, at) => count - (before.durations[at] ?? 0)),
    });
    if (minutes.length > MINUTES) minutes.shift();
    before = now;
  };
  const scheduleNext = () => {
    // On the minute, so that the minutes of all processes are the same.
    const timer = setTimeout(
      () => {
        scheduleNext();
        void sample().catch(() => undefined);
      },
      MINUTE_MS - (clock() % MINUTE_MS),
    );
    timer.unref();
    running = timer;
  };
  let running: NodeJS.Timeout | undefined;
  scheduleNext();

  return {
    minutes,
    get bounds() {
      return before.bounds;
    },
    stop: () => clearTimeout(running),
  };
}

/** Adds up the minutes of several processes, and merges their lines by time. */
export function mergeActivity(activities: readonly Activity[]): Activity {
  const byStart = new Map<number, Minute>();
  for (const minute of activities.flatMap(({ minutes }) => minutes)) {
    const known = byStart.get(minute.startsAt);
    byStart.set(minute.startsAt, known === undefined ? minute : addMinutes(known, minute));
  }
  return {
    minutes: [...byStart.values()].toSorted((a, b) => a.startsAt - b.startsAt).slice(-MINUTES),
    bounds: activities.find(({ bounds }) => bounds.length > 0)?.bounds ?? [],
    problems: activities.flatMap(({ problems }) => problems).toSorted((a, b) => a.time.localeCompare(b.time)),
    audit: activities
      .flatMap(({ audit }) => audit)
      .toSorted((a, b) => String(a['time']).localeCompare(String(b['time']))),
  };
}

function addMinutes(a: Minute, b: Minute): Minute {
  return {
    startsAt: a.startsAt,
    requests: a.requests + b.requests,
    serverErrors: a.serverErrors + b.serverErrors,
    failedRefreshes: a.failedRefreshes + b.failedRefreshes,
    durations: (a.durations.length > 0 ? a : b).durations.map(
      (_count, at) => (a.durations[at] ?? 0) + (b.durations[at] ?? 0),
    ),
  };
}

const emptyTotals: Totals = {
  requests: 0,
  serverErrors: 0,
  failedRefreshes: 0,
  durations: [],
  bounds: [],
};

const failedOutcomes: ReadonlySet<unknown> = new Set(['kept', 'rejected', 'failed']);

function totalsOf(metrics: readonly MetricObject[]): Totals {
  const valuesOf = (name: string): readonly Value[] => {
    const metric: Metric | undefined = metrics.find((each) => each.name === name);
    return metric?.values ?? [];
  };
  const sum = (values: readonly Value[]) => values.reduce((total, { value }) => total + value, 0);
  const requests = valuesOf('coatcheck_http_requests_total');
  const counts = new Map<number, number>();
  for (const { value, labels, metricName } of valuesOf('coatcheck_http_request_duration_seconds')) {
    if (metricName?.endsWith('_bucket') !== true) continue;
    const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  const buckets = [...counts].toSorted(([a], [b]) => a - b);
  return {
    requests: sum(requests),
    serverErrors: sum(requests.filter(({ labels }) => Number(labels['status']) >= 500)),
    failedRefreshes: sum(
      valuesOf('coatcheck_refresh_total').filter(({ labels }) => failedOutcomes.has(labels['outcome'])),
    ),
    durations: buckets.map(([, count]) => count),
    bounds: buckets.map(([bound]) => (Number.isFinite(bound) ? bound : null)),
  };
}
