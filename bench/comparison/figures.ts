import { addUp, median } from '../statistics.ts';
import { type Candidate, type CandidateId, candidates } from './candidates.ts';
import type { KindId, Sample } from './sample.ts';

/** All samples of one candidate, one per round. */
export type Samples = Record<KindId, Sample[]>;

/** Creates an empty set of samples. */
export function noSamples(): Samples {
  return { get: [], post: [], single: [] };
}

/** The figures of one kind of load: medians over all rounds, and the total number of good responses. */
export type LoadFigures = { [Name in MeasureName]: number } & { answered: number };

/** The values compared between candidates. */
const measures = {
  cpuMicros: (sample: Sample) => sample.cpuMicros,
  perSecond: (sample: Sample) => sample.perSecond,
  p50: (sample: Sample) => sample.p50,
  p99: (sample: Sample) => sample.p99,
  busy: (sample: Sample) => sample.busy,
};
type MeasureName = keyof typeof measures;

/** The figures of one candidate. Each ratio is the median of the ratios per round. */
export type Figures = Record<KindId, LoadFigures> & {
  id: CandidateId;
  title: string;
  forwards: boolean;
  errors: Record<string, number>;
  /** How much longer one request takes than one to the API itself (p50), in milliseconds. */
  addedMs: number;
  /** The same, relative to a direct request to the API. */
  addedToDirect: number;
  /** Peak resident memory of all its processes. */
  residentPeakBytes: number;
  /** Relative to `node:http` responding by itself. */
  toFloor: Record<KindId, Record<MeasureName, number>> & { memory: number };
  /** CPU time per GET, relative to other candidates. */
  toOthers: { [Id in CandidateId]?: number };
};

/** The candidates that others are compared with. */
const OTHERS: readonly CandidateId[] = ['http-proxy-middleware', 'obvious-wiring'];

/** Summarises one candidate, given the samples of all. */
export function summarise({ id, forwards }: Candidate, all: ReadonlyMap<CandidateId, Samples>): Figures {
  const samplesOf = (of: CandidateId) => all.get(of) ?? noSamples();
  const own = samplesOf(id);
  const floor = samplesOf('node-http');
  const direct = samplesOf('upstream').single;
  const toFloor = (kind: KindId) => figuresOf((read) => ratios(own[kind], floor[kind], read));
  const peak = (samples: Samples) =>
    Math.max(
      ...Object.values(samples)
        .flat()
        .map((one) => one.residentPeakBytes),
    );
  const others = OTHERS.filter((other) => all.has(other) && other !== id);
  return {
    id,
    title: candidates[id].title,
    forwards,
    get: loadFigures(own.get),
    post: loadFigures(own.post),
    single: loadFigures(own.single),
    errors: addUp(Object.values(own).flatMap((samples) => samples.map(({ errors }) => errors))),
    addedMs: median(own.single.map(({ p50 }, round) => p50 - (direct[round]?.p50 ?? NaN))),
    addedToDirect: median(ratios(own.single, direct, measures.p50)) - 1,
    residentPeakBytes: peak(own),
    toFloor: {
      get: toFloor('get'),
      post: toFloor('post'),
      single: toFloor('single'),
      memory: peak(own) / peak(floor),
    },
    toOthers: Object.fromEntries(
      others.map((other) => [other, median(ratios(own.get, samplesOf(other).get, measures.cpuMicros))]),
    ),
  };
}

function loadFigures(samples: readonly Sample[]): LoadFigures {
  return {
    ...figuresOf((read) => samples.map(read)),
    answered: samples.reduce((sum, { answered }) => sum + answered, 0),
  };
}

/** The median of every measure over the rounds. */
function figuresOf(values: (read: (sample: Sample) => number) => number[]): Record<MeasureName, number> {
  const entries = Object.entries(measures).map(([name, read]) => [name, median(values(read))]);
  return Object.fromEntries(entries) as Record<MeasureName, number>;
}

/** The ratio per round: both samples of a round saw the same machine load. */
function ratios(
  samples: readonly Sample[],
  others: readonly Sample[],
  read: (sample: Sample) => number,
): number[] {
  return samples.map((sample, round) => {
    const other = others[round];
    return other === undefined ? NaN : read(sample) / read(other);
  });
}
