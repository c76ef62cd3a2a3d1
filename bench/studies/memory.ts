import { errorLines, memory as memoryCell, number, times } from '../report/report.ts';
import { addUp } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage } from '../usage.ts';
import { requestText } from '../workload.ts';

const SAMPLES = 10;

/** Shows whether memory grows with the number of requests. */
export const memory: Study = {
  title: 'Resident memory with many sessions in the read cache, over a growing number of requests',
  cases: [],

  async measure(fixture, effort) {
    const { sessions, requests } = byLength(effort, {
      quick: { sessions: 500, requests: 50_000 },
      usual: { sessions: 10_000, requests: 200_000 },
      long: { sessions: 10_000, requests: 1_000_000 },
    });
    const errors: Record<string, number>[] = [];
    /** The resident memory at the start and after each share of the requests, and the peak. */
    const measure = async (title: string, pid: number, port: number, cookies: readonly string[]) => {
      const texts = cookies.map((cookie) => requestText('GET', { port, cookie }));
      const bytes = [readUsage(pid).residentBytes];
      for (let look = 1; look <= SAMPLES; look += 1) {
        const load = { port, connections: 32, requests: texts, count: requests / SAMPLES };
        errors.push((await fixture.load.ask('run', load)).errors);
        bytes.push(readUsage(pid).residentBytes);
        effort.say(`${title}: ${number((look * requests) / SAMPLES)} requests`);
      }
      return [...bytes, readUsage(pid).residentPeakBytes];
    };

    const floor = await fixture.baseline('node-http');
    const gateway = await fixture.coatcheck({
      keyPrefix: 'memory:',
      session: { cache: { maxAge: '60s' } },
      config: { rateLimit: { login: 0, callback: 0 } },
    });
    const cookies = await gateway.signIn(Array.from({ length: sessions }, (_, at) => `person-${at}`));
    effort.say(`${number(sessions)} people are signed in`);
    const floorBytes = await measure('node:http', floor.pid, floor.ready.port, [floor.ready.cookie]);
    const ownBytes = await measure('Coatcheck', gateway.pid, gateway.port, cookies);
    const growth = (ownBytes[SAMPLES] ?? NaN) / (ownBytes[SAMPLES / 2] ?? NaN);
    return {
      tables: [
        {
          title: `Resident memory, ${number(sessions)} sessions in the read cache (in brackets: relative to node:http)`,
          columns: ['requests', 'node:http', 'Coatcheck'],
          rows: ownBytes.map((own, at) => {
            const other = floorBytes[at] ?? NaN;
            return [
              at > SAMPLES ? 'peak' : number((at * requests) / SAMPLES),
              memoryCell(other, 'MB', 0, 1),
              memoryCell(own, 'MB', 0, own / other),
            ];
          }),
        },
      ],
      statements: [`At the end, Coatcheck uses ${times(growth)} the memory that it used halfway.`],
      errors: errorLines('memory', addUp(errors)),
    };
  },
};
