import { takeSample } from '../../comparison/sample.ts';
import type { Fixture } from '../../fixture.ts';
import { addUp, median } from '../../statistics.ts';
import { byLength, type Effort } from '../../study.ts';
import { requestText } from '../../workload.ts';

/** Requests during refreshes ahead of expiry, compared with requests with long-lived tokens. */
export type RefreshAhead = {
  rounds: number;
  seconds: number;
  people: number;
  refreshes: number;
  withoutRefresh: { p50: number; p99: number };
  withRefresh: { p50: number; p99: number };
  /** Medians of the ratios within each round. */
  ratio: { p50: number; p99: number };
  errors: Record<string, number>;
};

/** Lifetime of the tokens that are refreshed all the time. */
export const SHORT_SECONDS = 10;
const LONG_SECONDS = 3600;
const PEOPLE = 64;

type LoadFigures = { p50: number; p99: number; errors: Record<string, number> };

/** Measures requests with long-lived and with short-lived tokens, alternately. */
export async function measureAhead(fixture: Fixture, effort: Effort): Promise<RefreshAhead> {
  const { rounds, seconds } = byLength(effort, {
    quick: { rounds: 3, seconds: 4 },
    usual: { rounds: 8, seconds: 10 },
    long: { rounds: 20, seconds: 20 },
  });
  const open = async (name: string, lifetime: number) => {
    const gateway = await fixture.coatcheck({ keyPrefix: `ahead-${name}:` });
    await fixture.provider.ask('setLifetime', lifetime);
    const { pid, port } = gateway;
    const cookies = await gateway.signIn(Array.from({ length: PEOPLE }, (_, at) => `${name}-${at}`));
    const texts = cookies.map((cookie) => requestText('GET', { port, cookie }));
    return { pid, port, requests: () => texts, forwards: true };
  };
  const kind = { method: 'GET', connections: 32 } as const;
  // The lifetime set last also applies to refreshed tokens, so the short-lived ones come second.
  const withoutRefresh = await open('withoutRefresh', LONG_SECONDS);
  const withRefresh = await open('withRefresh', SHORT_SECONDS);
  const samples = { withoutRefresh: [], withRefresh: [] } as Record<
    'withoutRefresh' | 'withRefresh',
    LoadFigures[]
  >;
  let refreshes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const turns = [
      ['withoutRefresh', withoutRefresh],
      ['withRefresh', withRefresh],
    ] as const;
    for (const [name, candidate] of round % 2 === 0 ? turns : turns.toReversed()) {
      // Tokens expired while the other gateway was measured: refresh them before the measured time.
      await takeSample(fixture, candidate, kind, 2);
      const before = await fixture.provider.ask('refreshes');
      const sample = await takeSample(fixture, candidate, kind, seconds);
      if (name === 'withRefresh') refreshes += (await fixture.provider.ask('refreshes')) - before;
      samples[name].push(sample);
      effort.say(`round ${round + 1} of ${rounds}  ${name.padEnd(8)}  p99 ${sample.p99.toFixed(2)} ms`);
    }
  }
  const ratio = (read: (sample: LoadFigures) => number) =>
    median(
      samples.withRefresh.map((sample, at) => read(sample) / read(samples.withoutRefresh[at] ?? sample)),
    );
  const middle = (list: readonly LoadFigures[]) => ({
    p50: median(list.map(({ p50 }) => p50)),
    p99: median(list.map(({ p99 }) => p99)),
  });
  return {
    rounds,
    seconds,
    people: PEOPLE,
    refreshes,
    withoutRefresh: middle(samples.withoutRefresh),
    withRefresh: middle(samples.withRefresh),
    ratio: { p50: ratio(({ p50 }) => p50), p99: ratio(({ p99 }) => p99) },
    errors: addUp([...samples.withoutRefresh, ...samples.withRefresh].map(({ errors }) => errors)),
  };
}
