import type { BaselineShape } from '../baselines/baseline.ts';
import { startWorker } from '../worker.ts';
import { megabytes, number, times, withRatio } from '../report/quantity.ts';
import { type Report, errorLines } from '../report/report.ts';
import { openFixture, type Fixture } from '../fixture.ts';
import { addUp } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage } from '../usage.ts';
import { RESPONSE_BODY, requestText } from '../workload.ts';

/** Resident memory after a number of requests, in bytes. */
type MemorySample = { requests: number; residentBytes: number };
type MemorySeries = { title: string; samples: MemorySample[]; residentPeakBytes: number };
type MemoryFigures = { sessions: number; series: MemorySeries[]; errors: Record<string, number> };

const SAMPLES = 10;

/** Shows whether memory grows with the number of requests. */
export const memory: Study<MemoryFigures> = {
  title: 'Resident memory with many sessions in the read cache, over a growing number of requests',
  cases: [],

  async measure(effort) {
    const { sessions, requests } = byLength(effort, {
      quick: { sessions: 500, requests: 50_000 },
      usual: { sessions: 10_000, requests: 200_000 },
      long: { sessions: 10_000, requests: 1_000_000 },
    });
    const fixture = await openFixture(effort.cleanup);
    try {
      const errors: Record<string, number>[] = [];
      const measure = async (title: string, pid: number, port: number, texts: readonly string[]) => {
        const samples: MemorySample[] = [{ requests: 0, residentBytes: readUsage(pid).residentBytes }];
        for (let look = 1; look <= SAMPLES; look += 1) {
          const count = requests / SAMPLES;
          const report = await fixture.load.ask('run', {
            port,
            connections: 32,
            requests: texts,
            expected: RESPONSE_BODY,
            count,
          });
          errors.push(report.errors);
          const { residentBytes } = readUsage(pid);
          samples.push({ requests: look * count, residentBytes });
          effort.say(`${title}: ${number(look * count)} requests, ${megabytes(residentBytes)}`);
        }
        return { title, samples, residentPeakBytes: readUsage(pid).residentPeakBytes };
      };

      const floor = await fixture.open(startWorker<BaselineShape>('baselines/node-http.ts'));
      const { port, cookie } = floor.ready;
      const gateway = await openGateway(fixture);
      const names = Array.from({ length: sessions }, (_, at) => `person-${at}`);
      const cookies = await gateway.signIn(names);
      effort.say(`${number(sessions)} people are signed in`);
      const texts = cookies.map((own) => requestText('GET', { port: gateway.port, cookie: own }));
      return {
        sessions,
        series: [
          await measure('node:http', floor.pid, port, [requestText('GET', { port, cookie })]),
          await measure('Coatcheck', gateway.pid, gateway.port, texts),
        ],
        errors: addUp(errors),
      };
    } finally {
      await fixture.close();
    }
  },

  report({ sessions, series, errors }): Report {
    const [floor, own] = series;
    const last = own?.samples.at(-1)?.residentBytes ?? NaN;
    const half = own?.samples[SAMPLES / 2]?.residentBytes ?? NaN;
    return {
      tables: [
        {
          title: `Resident memory, ${number(sessions)} sessions in the read cache (in brackets: relative to node:http)`,
          columns: ['requests', ...series.map(({ title }) => title)],
          rows: [
            ...(own?.samples ?? []).map(({ requests }, at) => [
              number(requests),
              ...series.map(({ samples }) =>
                memoryCell(samples[at]?.residentBytes, floor?.samples[at]?.residentBytes),
              ),
            ]),
            ['peak', ...series.map((one) => memoryCell(one.residentPeakBytes, floor?.residentPeakBytes))],
          ],
        },
      ],
      statements: [`At the end, Coatcheck uses ${times(last / half)} the memory that it used halfway.`],
      errors: errorLines('memory', errors),
    };
  },
};

function memoryCell(bytes = NaN, floor = NaN): string {
  return withRatio(megabytes(bytes), bytes / floor);
}

/** A gateway whose read cache keeps all sessions during the study. */
function openGateway(fixture: Fixture) {
  return fixture.coatcheck({
    keyPrefix: 'memory:',
    session: { cache: { maxAge: '60s' } },
    config: { rateLimit: { login: 0, callback: 0 } },
  });
}
