import { availableParallelism } from 'node:os';
import type { Cleanup } from '../cleanup.ts';
import { openFixture, type Fixture } from '../fixture.ts';
import { type Candidate, type CandidateId, candidates } from './candidates.ts';
import { type Figures, noSamples, type Samples, summarise } from './figures.ts';
import { kinds, type LoadKind, takeSample } from './sample.ts';

/** How often and how long each candidate is measured. */
export type Extent = { rounds: number; seconds: number };

/** The result of a comparison. */
export type Comparison = Extent & {
  /** CPU cores of the machine. */
  cores: number;
  figures: Figures[];
};

/** Long enough for V8 to optimize the hot code. */
const WARM_UP_SECONDS = 2;
/** Restores the state that V8 drops while idle: it shrinks its young generation. */
const LEAD_IN_SECONDS = 1;

/**
 * Measures all candidates side by side: all of them keep running, and each is loaded once per round, so that other load
 * on the machine affects all of them.
 */
export async function compare(options: {
  extent: Extent;
  only?: readonly CandidateId[] | undefined;
  say: (line: string) => void;
  cleanup: Cleanup;
}): Promise<Comparison> {
  const { extent, only, say } = options;
  const fixture = await openFixture(options.cleanup);
  try {
    const running = await openCandidates(fixture, only);
    const turns = running.map((candidate) => ({ candidate, samples: noSamples() }));
    for (const candidate of running) {
      await loadBeforehand(fixture, candidate, kinds.get, WARM_UP_SECONDS);
      await loadBeforehand(fixture, candidate, kinds.post, WARM_UP_SECONDS);
    }
    for (let round = 0; round < extent.rounds; round += 1) {
      // Rotate the order, so that no candidate always follows the same one.
      const first = round % turns.length;
      for (const { candidate, samples } of [...turns.slice(first), ...turns.slice(0, first)]) {
        const line = await takeTurn(fixture, candidate, samples, extent);
        say(`round ${round + 1} of ${extent.rounds}  ${candidates[candidate.id].title.padEnd(38)} ${line}`);
      }
    }
    const all = new Map(turns.map(({ candidate, samples }) => [candidate.id, samples]));
    const figures = running.map((candidate) => summarise(candidate, all));
    return { ...extent, cores: availableParallelism(), figures };
  } finally {
    await fixture.close();
  }
}

async function openCandidates(
  fixture: Fixture,
  only: readonly CandidateId[] | undefined,
): Promise<Candidate[]> {
  const running: Candidate[] = [];
  for (const [name, { open }] of Object.entries(candidates)) {
    const id = name as CandidateId;
    if (only?.includes(id) !== false) running.push({ id, ...(await open(fixture)) });
  }
  return running;
}

/** Loads a candidate without measuring it. */
async function loadBeforehand(
  fixture: Fixture,
  candidate: Candidate,
  kind: LoadKind,
  seconds: number,
): Promise<void> {
  const { errors } = await takeSample(fixture, candidate, kind, seconds);
  if (Object.keys(errors).length > 0) {
    throw new Error(
      `${candidates[candidate.id].title} returns unexpected responses: ${JSON.stringify(errors)}`,
    );
  }
}

async function takeTurn(
  fixture: Fixture,
  candidate: Candidate,
  samples: Samples,
  { seconds }: Extent,
): Promise<string> {
  await loadBeforehand(fixture, candidate, kinds.get, LEAD_IN_SECONDS);
  const get = await takeSample(fixture, candidate, kinds.get, seconds);
  const post = await takeSample(fixture, candidate, kinds.post, seconds / 2);
  const single = await takeSample(fixture, candidate, kinds.single, seconds / 2);
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
