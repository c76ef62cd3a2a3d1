import type { BaselineShape } from '../baselines/baseline.ts';
import { startPart } from '../worker.ts';
import { megabytes, number, times, withRatio } from '../report/quantity.ts';
import { type Report, tellErrors } from '../report/report.ts';
import { openStage, type Stage } from '../fixture.ts';
import { addUp } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage } from '../usage.ts';
import { ANSWER, requestText } from '../workload.ts';

/** The memory of a program after so many requests, in bytes. */
type Look = { requests: number; residentBytes: number };
type Course = { title: string; looks: Look[]; residentPeakBytes: number };
type MemoryFigures = { sessions: number; courses: Course[]; errors: Record<string, number> };

const LOOKS = 10;

/** What a process holds on to as requests become many. */
export const memory: Study<MemoryFigures> = {
  title: 'Resident memory with many sessions in the read cache, over a growing number of requests',
  cases: [],

  async measure(effort) {
    const { sessions, requests } = byLength(effort, {
      quick: { sessions: 500, requests: 50_000 },
      usual: { sessions: 10_000, requests: 200_000 },
      long: { sessions: 10_000, requests: 1_000_000 },
    });
    const stage = await openStage(effort.closing);
    try {
      const errors: Record<string, number>[] = [];
      const measure = async (title: string, pid: number, port: number, texts: readonly string[]) => {
        const looks: Look[] = [{ requests: 0, residentBytes: readUsage(pid).residentBytes }];
        for (let look = 1; look <= LOOKS; look += 1) {
          const count = requests / LOOKS;
          const report = await stage.load.ask('run', {
            port,
            connections: 32,
            requests: texts,
            expected: ANSWER,
            count,
          });
          errors.push(report.errors);
          const { residentBytes } = readUsage(pid);
          looks.push({ requests: look * count, residentBytes });
          effort.say(`${title}: ${number(look * count)} requests, ${megabytes(residentBytes)}`);
        }
        return { title, looks, residentPeakBytes: readUsage(pid).residentPeakBytes };
      };

      const floor = await stage.open(startPart<BaselineShape>('baselines/node-http.ts'));
      const { port, cookie } = floor.hello;
      const gateway = await openGateway(stage);
      const names = Array.from({ length: sessions }, (_, at) => `person-${at}`);
      const cookies = await gateway.signIn(names);
      effort.say(`${number(sessions)} people are signed in`);
      const texts = cookies.map((own) => requestText('GET', { port: gateway.port, cookie: own }));
      return {
        sessions,
        courses: [
          await measure('node:http', floor.pid, port, [requestText('GET', { port, cookie })]),
          await measure('Coatcheck', gateway.pid, gateway.port, texts),
        ],
        errors: addUp(errors),
      };
    } finally {
      await stage.close();
    }
  },

  report({ sessions, courses, errors }): Report {
    const [floor, own] = courses;
    const last = own?.looks.at(-1)?.residentBytes ?? NaN;
    const half = own?.looks[LOOKS / 2]?.residentBytes ?? NaN;
    return {
      tables: [
        {
          title: `Resident memory, ${number(sessions)} sessions in the read cache (in brackets: relative to node:http)`,
          columns: ['requests', ...courses.map(({ title }) => title)],
          rows: [
            ...(own?.looks ?? []).map(({ requests }, at) => [
              number(requests),
              ...courses.map(({ looks }) =>
                memoryCell(looks[at]?.residentBytes, floor?.looks[at]?.residentBytes),
              ),
            ]),
            ['peak', ...courses.map((one) => memoryCell(one.residentPeakBytes, floor?.residentPeakBytes))],
          ],
        },
      ],
      statements: [`At the end, Coatcheck uses ${times(last / half)} the memory that it used halfway.`],
      errors: tellErrors('memory', errors),
    };
  },
};

function memoryCell(bytes = NaN, floor = NaN): string {
  return withRatio(megabytes(bytes), bytes / floor);
}

/** A gateway whose cache keeps everybody for as long as this takes. */
function openGateway(stage: Stage) {
  return stage.coatcheck({
    keyPrefix: 'memory:',
    session: { cache: { maxAge: '60s' } },
    config: { rateLimit: { login: 0, callback: 0 } },
  });
}
