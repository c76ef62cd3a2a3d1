import type { BaselineShape } from '../baselines/baseline.ts';
import { startWorker } from '../worker.ts';
import { quantity, withRatio } from '../report/quantity.ts';
import { openFixture } from '../fixture.ts';
import { median } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';

/** Time from start to ready, in milliseconds, compared with a bare server. */
type StartTimes = { rounds: number; coatcheckMs: number; nodeHttpMs: number; ratio: number };

/** Measures how soon a started process is ready. */
export const start: Study<StartTimes> = {
  title: 'Time from start to ready',
  cases: [],

  async measure(effort) {
    const rounds = byLength(effort, { quick: 3, usual: 11, long: 31 });
    const fixture = await openFixture(effort.cleanup);
    try {
      const coatcheckMs: number[] = [];
      const nodeHttpMs: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const gateway = await fixture.coatcheck({ keyPrefix: 'start:' });
        coatcheckMs.push(gateway.readyAfterMs);
        await gateway.close();

        const startedMs = performance.now();
        const server = await fixture.open(startWorker<BaselineShape>('baselines/node-http.ts'));
        nodeHttpMs.push(performance.now() - startedMs);
        await server.close();
      }
      effort.say(`${rounds} starts of each`);
      const ratios = coatcheckMs.map((ms, round) => ms / (nodeHttpMs[round] ?? NaN));
      return {
        rounds,
        coatcheckMs: median(coatcheckMs),
        nodeHttpMs: median(nodeHttpMs),
        ratio: median(ratios),
      };
    } finally {
      await fixture.close();
    }
  },

  report: ({ rounds, coatcheckMs, nodeHttpMs, ratio }) => ({
    tables: [
      {
        title: `From start to ready, median of ${rounds} (in brackets: relative to node:http)`,
        columns: ['', 'time'],
        rows: [
          ['node:http, listening', withRatio(quantity(nodeHttpMs, 'ms'), 1)],
          ['Coatcheck, store and provider reached', withRatio(quantity(coatcheckMs, 'ms'), ratio)],
        ],
      },
    ],
    statements: [],
    errors: [],
  }),
};
