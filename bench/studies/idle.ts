import { setTimeout as sleep } from 'node:timers/promises';
import { errorLines, figure } from '../report/report.ts';
import { type Loaded, type Sample, takeSample } from '../sample.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { requestText } from '../workload.ts';

/** The CPU time of a request while the load lasts, and once it begins again after a pause. */
type Costs = { steady: Sample; firstSecond: Sample; nextSeconds: Sample };

const PEOPLE = 32;
/** Long enough for V8 to give back the memory that requests had used. */
const IDLE_SECONDS = 12;
const STEADY_SECONDS = 3;
const FIRST_SECONDS = 1;
const NEXT_SECONDS = 3;

/** Measures requests that come after a pause: real load comes in bursts. */
export const idle: Study = {
  title: 'CPU time of requests after a pause, compared with node:http',
  cases: [],

  async measure(fixture, effort) {
    const rounds = byLength(effort, { quick: 2, usual: 7, long: 15 });
    const floor = await fixture.baseline('node-http');
    const gateway = await fixture.coatcheck({ keyPrefix: 'idle:' });
    const cookies = await gateway.signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
    const programs = [
      loaded('node:http responding by itself', floor.pid, floor.ready.port, [floor.ready.cookie], false),
      loaded('Coatcheck', gateway.pid, gateway.port, cookies, true),
    ];
    const samples = programs.map((): Costs[] => []);
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      const steady: Sample[] = [];
      for (const program of programs) steady.push(await takeSample(fixture, program, STEADY_SECONDS));
      await sleep(IDLE_SECONDS * 1000);
      for (const [at, program] of programs.entries()) {
        const firstSecond = await takeSample(fixture, program, FIRST_SECONDS);
        const nextSeconds = await takeSample(fixture, program, NEXT_SECONDS);
        const before = steady[at];
        if (round > 0 && before !== undefined)
          samples[at]?.push({ steady: before, firstSecond, nextSeconds });
      }
      effort.say(`round ${round} of ${rounds}`);
    }
    const [floorCosts] = samples;
    const cell = (own: readonly Costs[], phase: keyof Costs) => {
      const read = (costs: Costs) => costs[phase].cpuMicros;
      return figure(median(own.map(read)), 'µs', 1, medianRatio(own, floorCosts, read));
    };
    return {
      tables: [
        {
          title: `GET, 32 connections, after ${IDLE_SECONDS} s without a request (in brackets: relative to node:http)`,
          columns: ['CPU per request', 'before the pause', 'first second', 'the three seconds after it'],
          rows: programs.map(({ title }, at) => {
            const own = samples[at] ?? [];
            return [title, cell(own, 'steady'), cell(own, 'firstSecond'), cell(own, 'nextSeconds')];
          }),
        },
      ],
      statements: [],
      errors: programs.flatMap(({ title }, at) => {
        const all = (samples[at] ?? []).flatMap((costs) => Object.values(costs).map(({ errors }) => errors));
        return errorLines(title, addUp(all));
      }),
    };
  },
};

function loaded(
  title: string,
  pid: number,
  port: number,
  cookies: readonly string[],
  forwards: boolean,
): Loaded & { title: string } {
  return {
    title,
    pid,
    port,
    requests: cookies.map((cookie) => requestText('GET', { port, cookie })),
    forwards,
  };
}
