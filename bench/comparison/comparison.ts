import { availableParallelism } from 'node:os';
import type { Closing } from '../cleanup.ts';
import { openStage, type Stage } from '../fixture.ts';
import { type Contender, type ContenderId, contenders } from './candidates.ts';
import { type Figures, noSamples, type Samples, summarise } from './figures.ts';
import { kinds, type LoadKind, takeSample } from './sample.ts';

/** How often and how long each contender is measured. */
export type Extent = { rounds: number; seconds: number };

/** What came of the comparison. */
export type Comparison = Extent & {
  /** Of the machine. */
  cores: number;
  figures: Figures[];
};

/** So long that the compiler has seen everything. */
const WARM_UP_SECONDS = 2;
/** So long that what was put away while others had their turn is back: V8 gives up most of its young generation. */
const LEAD_IN_SECONDS = 1;

/**
 * Measures all contenders side by side: all run all the time, and in each round each has its turn, so that whatever else
 * the machine does meanwhile falls on all of them.
 */
export async function compare(options: {
  extent: Extent;
  only?: readonly ContenderId[] | undefined;
  say: (line: string) => void;
  closing: Closing;
}): Promise<Comparison> {
  const { extent, only, say } = options;
  const stage = await openStage(options.closing);
  try {
    const running = await openContenders(stage, only);
    const turns = running.map((contender) => ({ contender, samples: noSamples() }));
    for (const contender of running) {
      await loadBeforehand(stage, contender, kinds.get, WARM_UP_SECONDS);
      await loadBeforehand(stage, contender, kinds.post, WARM_UP_SECONDS);
    }
    for (let round = 0; round < extent.rounds; round += 1) {
      // Each round begins with another one: nobody is always measured after the same neighbour.
      const first = round % turns.length;
      for (const { contender, samples } of [...turns.slice(first), ...turns.slice(0, first)]) {
        const line = await takeTurn(stage, contender, samples, extent);
        say(`round ${round + 1} of ${extent.rounds}  ${contenders[contender.id].title.padEnd(38)} ${line}`);
      }
    }
    const all = new Map(turns.map(({ contender, samples }) => [contender.id, samples]));
    const figures = running.map((contender) => summarise(contender, all));
    return { ...extent, cores: availableParallelism(), figures };
  } finally {
    await stage.close();
  }
}

async function openContenders(stage: Stage, only: readonly ContenderId[] | undefined): Promise<Contender[]> {
  const running: Contender[] = [];
  for (const [name, { open }] of Object.entries(contenders)) {
    const id = name as ContenderId;
    if (only?.includes(id) !== false) running.push({ id, ...(await open(stage)) });
  }
  return running;
}

/** Loads a contender without measuring it. */
async function loadBeforehand(
  stage: Stage,
  contender: Contender,
  kind: LoadKind,
  seconds: number,
): Promise<void> {
  const { errors } = await takeSample(stage, contender, kind, seconds);
  if (Object.keys(errors).length > 0) {
    throw new Error(
      `${contenders[contender.id].title} returns unexpected responses: ${JSON.stringify(errors)}`,
    );
  }
}

async function takeTurn(
  stage: Stage,
  contender: Contender,
  samples: Samples,
  { seconds }: Extent,
): Promise<string> {
  await loadBeforehand(stage, contender, kinds.get, LEAD_IN_SECONDS);
  const get = await takeSample(stage, contender, kinds.get, seconds);
  const post = await takeSample(stage, contender, kinds.post, seconds / 2);
  const single = await takeSample(stage, contender, kinds.single, seconds / 2);
  samples.get.push(get);
  samples.post.push(post);
  samples.single.push(single);
  const errors = [get, post, single].flatMap((sample) => Object.values(sample.errors));
  const count = errors.reduce((sum, number) => sum + number, 0);
  return (
    `GET ${get.cpuMicros.toFixed(1).padStart(6)} µs CPU, ${get.perSecond.toFixed(0).padStart(6)}/s   ` +
    `POST ${post.cpuMicros.toFixed(1).padStart(6)} µs CPU   alone ${single.p50.toFixed(3)} ms` +
    (count > 0 ? `   ✗ ${count} errors` : '')
  );
}
