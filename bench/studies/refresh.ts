import { number, quantity, times, withRatio } from '../report/quantity.ts';
import { type Report, errorLines } from '../report/report.ts';
import { openFixture } from '../fixture.ts';
import type { Study } from '../study.ts';
import { measureAhead, type RefreshAhead, SHORT_SECONDS } from './refresh/ahead.ts';
import {
  CONCURRENT_REQUESTS,
  type ConcurrentRequests,
  measureConcurrentRequests,
  TOKEN_DELAY_MS,
} from './refresh/concurrent-requests.ts';

/** The figures of refreshes. */
type RefreshFigures = {
  ahead: RefreshAhead;
  concurrentRequests: ConcurrentRequests[];
  tokenDelayMs: number;
  deadFamilies: number;
};

/** Measures what users notice of token refreshes. */
export const refresh: Study<RefreshFigures> = {
  title: 'Requests while tokens are refreshed, and concurrent requests with an expired token',
  cases: [],

  async measure(effort) {
    const fixture = await openFixture(effort.cleanup);
    try {
      const concurrentRequests: ConcurrentRequests[] = [];
      for (const processes of [1, 2, 4])
        concurrentRequests.push(await measureConcurrentRequests(fixture, effort, processes));
      const ahead = await measureAhead(fixture, effort);
      const deadFamilies = await fixture.provider.ask('deadFamilies');
      return { ahead, concurrentRequests, tokenDelayMs: TOKEN_DELAY_MS, deadFamilies };
    } finally {
      await fixture.close();
    }
  },

  report: ({ ahead, concurrentRequests, tokenDelayMs, deadFamilies }): Report => ({
    tables: [
      {
        title: `Refresh ahead of expiry: tokens of ${SHORT_SECONDS} s, ${ahead.people} users (in brackets: relative to no refresh)`,
        columns: ['', 'p50', 'p99'],
        rows: [
          ['no refresh', ...quantiles(ahead.withoutRefresh, { p50: 1, p99: 1 })],
          [
            `${number(ahead.refreshes)} refreshes during the run`,
            ...quantiles(ahead.withRefresh, ahead.ratio),
          ],
        ],
      },
      {
        title: `${CONCURRENT_REQUESTS} concurrent requests with an expired token; the token endpoint takes ${tokenDelayMs} ms`,
        columns: ['', 'token calls', 'slowest, median', 'slowest overall', 'valid token: slowest, median'],
        rows: concurrentRequests.map((sendConcurrently) => [
          sendConcurrently.processes === 1 ? '1 process' : `${sendConcurrently.processes} processes`,
          number(sendConcurrently.tokenCalls.most),
          withRatio(
            quantity(sendConcurrently.slowestMs.median, 'ms', 1),
            sendConcurrently.slowestMs.median / tokenDelayMs,
          ),
          withRatio(
            quantity(sendConcurrently.slowestMs.max, 'ms', 1),
            sendConcurrently.slowestMs.max / tokenDelayMs,
          ),
          withRatio(
            quantity(sendConcurrently.validTokenSlowestMs, 'ms', 1),
            sendConcurrently.validTokenSlowestMs / tokenDelayMs,
          ),
        ]),
      },
    ],
    statements: [
      `p99 while tokens are refreshed: ${times(ahead.ratio.p99)} p99 without.`,
      'Brackets in the second table: relative to the time that the token endpoint takes.',
    ],
    errors: [
      ...errorLines('refreshed ahead', ahead.errors),
      ...concurrentRequests.flatMap(({ processes, errors }) => errorLines(`${processes} processes`, errors)),
      ...concurrentRequests
        .filter(({ tokenCalls }) => tokenCalls.fewest !== 1 || tokenCalls.most !== 1)
        .map(
          ({ processes, tokenCalls: { fewest, most } }) =>
            `${processes} processes made ${fewest} to ${most} token calls`,
        ),
      ...(deadFamilies > 0 ? [`${deadFamilies} sessions lost their grant at the provider`] : []),
    ],
  }),
};

function quantiles(figures: { p50: number; p99: number }, ratio: { p50: number; p99: number }): string[] {
  return [
    withRatio(quantity(figures.p50, 'ms', 2), ratio.p50),
    withRatio(quantity(figures.p99, 'ms', 2), ratio.p99),
  ];
}
