import { figure } from '../report/report.ts';
import { median, medianRatio } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';

/** Measures how soon a started process is ready, compared with a bare server. */
export const start: Study = {
  title: 'Time from start to ready',
  cases: [],

  async measure(fixture, effort) {
    const rounds = byLength(effort, { quick: 3, usual: 11, long: 31 });
    const coatcheckMs: number[] = [];
    const nodeHttpMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const gateway = await fixture.coatcheck({ keyPrefix: 'start:' });
      coatcheckMs.push(gateway.readyAfterMs);
      await gateway.close();

      const startedMs = performance.now();
      const server = await fixture.baseline('node-http');
      nodeHttpMs.push(performance.now() - startedMs);
      await server.close();
    }
    const ratio = medianRatio(coatcheckMs, nodeHttpMs, (ms) => ms);
    return {
      tables: [
        {
          title: `From start to ready, median of ${rounds} (in brackets: relative to node:http)`,
          columns: ['', 'time'],
          rows: [
            ['node:http, listening', figure(median(nodeHttpMs), 'ms', 0, 1)],
            ['Coatcheck, store and provider reached', figure(median(coatcheckMs), 'ms', 0, ratio)],
          ],
        },
      ],
      statements: [],
      errors: [],
    };
  },
};
