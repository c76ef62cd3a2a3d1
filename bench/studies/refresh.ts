import { number, quantity, times, withRatio } from '../report/quantity.ts';
import { type Report, tellErrors } from '../report/report.ts';
import { openStage } from '../fixture.ts';
import type { Study } from '../study.ts';
import { measureAhead, type RefreshAhead, SHORT_SECONDS } from './refresh/ahead.ts';
import { CROWD, type Crowd, measureCrowd, TOKEN_DELAY_MS } from './refresh/concurrent-requests.ts';

/** What was measured of renewals. */
type RefreshFigures = { ahead: RefreshAhead; crowds: Crowd[]; tokenDelayMs: number; deadFamilies: number };

/** What people notice of tokens that are renewed. */
export const refresh: Study<RefreshFigures> = {
  title: 'Requests while tokens are refreshed, and concurrent requests with an expired token',
  cases: [],

  async measure(effort) {
    const stage = await openStage(effort.closing);
    try {
      const crowds: Crowd[] = [];
      for (const processes of [1, 2, 4]) crowds.push(await measureCrowd(stage, effort, processes));
      const ahead = await measureAhead(stage, effort);
      const deadFamilies = await stage.provider.ask('deadFamilies');
      return { ahead, crowds, tokenDelayMs: TOKEN_DELAY_MS, deadFamilies };
    } finally {
      await stage.close();
    }
  },

  report: ({ ahead, crowds, tokenDelayMs, deadFamilies }): Report => ({
    tables: [
      {
        title: `Refresh ahead of expiry: tokens of ${SHORT_SECONDS} s, ${ahead.people} users (in brackets: relative to no refresh)`,
        columns: ['', 'p50', 'p99'],
        rows: [
          ['no refresh', ...quantiles(ahead.calm, { p50: 1, p99: 1 })],
          [`${number(ahead.refreshes)} refreshes during the run`, ...quantiles(ahead.renewing, ahead.ratio)],
        ],
      },
      {
        title: `${CROWD} concurrent requests with an expired token; the token endpoint takes ${tokenDelayMs} ms`,
        columns: ['', 'token calls', 'slowest, median', 'slowest overall', 'valid token: slowest, median'],
        rows: crowds.map((crowd) => [
          crowd.processes === 1 ? '1 process' : `${crowd.processes} processes`,
          number(crowd.tokenCalls.most),
          withRatio(quantity(crowd.slowestMs.median, 'ms', 1), crowd.slowestMs.median / tokenDelayMs),
          withRatio(quantity(crowd.slowestMs.max, 'ms', 1), crowd.slowestMs.max / tokenDelayMs),
          withRatio(quantity(crowd.usualSlowestMs, 'ms', 1), crowd.usualSlowestMs / tokenDelayMs),
        ]),
      },
    ],
    statements: [
      `p99 while tokens are refreshed: ${times(ahead.ratio.p99)} p99 without.`,
      'Brackets in the second table: relative to the time that the token endpoint takes.',
    ],
    errors: [
      ...tellErrors('refreshed ahead', ahead.errors),
      ...crowds.flatMap(({ processes, errors }) => tellErrors(`${processes} processes`, errors)),
      ...crowds
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
