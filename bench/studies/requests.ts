import { type Comparison, compare } from '../comparison/comparison.ts';
import { type CandidateId, candidates } from '../comparison/candidates.ts';
import type { Figures } from '../comparison/figures.ts';
import type { KindId } from '../comparison/sample.ts';
import { megabytes, number, quantity, shareOf, times, withRatio } from '../report/quantity.ts';
import { type Report, type Table, errorLines } from '../report/report.ts';
import { byLength, type Study } from '../study.ts';

/** Always measured: the API behind the candidates, and the baseline of every ratio. */
const ALWAYS: readonly CandidateId[] = ['upstream', 'node-http'];

/** Measures the cost of a request, compared with `node:http` and with other solutions. */
export const requests: Study<Comparison> = {
  title: 'CPU time, rate, latency and memory of requests, compared with node:http and the obvious wiring',
  cases: Object.keys(candidates),

  measure: (effort) =>
    compare({
      extent: byLength(effort, {
        quick: { rounds: 3, seconds: 1 },
        usual: { rounds: 9, seconds: 2 },
        long: { rounds: 15, seconds: 6 },
      }),
      only: effort.only && [...ALWAYS, ...(effort.only as CandidateId[])],
      say: effort.say,
      cleanup: effort.cleanup,
    }),

  report({ cores, figures }): Report {
    const find = (id: CandidateId) => figures.find((one) => one.id === id);
    return {
      tables: [
        tableOf('GET, 32 connections', 'get', figures),
        tableOf('POST, 32 connections', 'post', figures),
      ],
      statements: [
        ...compareCpu(find('coatcheck')),
        ...compareCpu(find('coatcheck-uncached')),
        ...compareWorkers(cores, find('coatcheck'), find('coatcheck-2')),
        ...figures
          .filter(({ get }) => get.busy > 0.9)
          .map(({ title }) => `The load generator limited ${title}: use only its CPU time.`),
      ],
      errors: figures.flatMap(({ title, errors }) => errorLines(title, errors)),
    };
  },
};

function tableOf(title: string, kind: KindId, figures: readonly Figures[]): Table {
  const isFirst = kind === 'get';
  return {
    title: `${title} (in brackets: relative to node:http${isFirst ? '; added latency: relative to a direct request to the API' : ''})`,
    columns: [
      '',
      'CPU per request',
      'requests/s',
      'p50',
      'p99',
      ...(isFirst ? ['added latency, one connection', 'peak memory'] : []),
    ],
    rows: figures.map((one) => {
      const { [kind]: figure, toFloor } = one;
      const ratio = toFloor[kind];
      return [
        one.title,
        withRatio(quantity(figure.cpuMicros, 'µs', 1), ratio.cpuMicros),
        withRatio(number(figure.perSecond), ratio.perSecond),
        withRatio(quantity(figure.p50, 'ms', 2), ratio.p50),
        withRatio(quantity(figure.p99, 'ms', 1), ratio.p99),
        ...(isFirst
          ? [
              one.forwards ? withRatio(quantity(one.addedMs, 'ms', 3), one.addedToDirect) : '–',
              withRatio(megabytes(one.residentPeakBytes), toFloor.memory),
            ]
          : []),
      ];
    }),
  };
}

function compareCpu(one: Figures | undefined): string[] {
  if (one === undefined) return [];
  const { toFloor, toOthers } = one;
  const others = Object.entries(toOthers).map(([id, ratio]) =>
    shareOf(ratio, candidates[id as CandidateId].title),
  );
  const parts = [shareOf(toFloor.get.cpuMicros, candidates['node-http'].title), ...others];
  return [`CPU per request, ${one.title}: ${parts.join(', ')}.`];
}

function compareWorkers(cores: number, one: Figures | undefined, two: Figures | undefined): string[] {
  if (one === undefined || two === undefined) return [];
  return [
    `Two workers serve ${times(two.get.perSecond / one.get.perSecond)} the requests of one` +
      (cores < 4
        ? `; the load generator and the API share the ${cores} cores, so the second worker has no core of its own.`
        : '.'),
  ];
}
