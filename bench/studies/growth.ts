import type { Fixture } from '../fixture.ts';
import { errorLines, figure, number, type Table } from '../report/report.ts';
import { type Loaded, type Sample, takeRounds, takeSample } from '../sample.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Effort, type Study } from '../study.ts';
import { requestText } from '../workload.ts';
import { watchCommands } from './sessions/redis.ts';

const PEOPLE = 32;
const CONNECTIONS = 32;
const ROUTES = [1, 10, 100, 1000] as const;
/** Besides the twelve fields of every request. */
const FIELDS = [0, 20, 80] as const;
const REPLICAS = [1, 2, 4, 8] as const;

type Part = { table: Table; errors: readonly string[] };

/** Measures how the cost of a request grows with the configuration, the request and the deployment. */
export const growth: Study = {
  title: 'Cost of a request by the number of routes, header fields and replicas',
  cases: [],

  async measure(fixture, effort) {
    const routes = await compare(fixture, effort, {
      what: 'routes',
      counts: ROUTES,
      open: (count) =>
        openWith(fixture, `routes-${count}:`, { config: { routes: routesOf(fixture, count) } }),
    });
    const plain = await openWith(fixture, 'fields:', {});
    const fields = await compare(fixture, effort, {
      what: 'further header fields',
      counts: FIELDS,
      open: async (count) => ({ ...plain, requests: plain.requests.map((text) => withFields(text, count)) }),
    });
    const parts = [routes, fields, await measureReplicas(fixture, effort)];
    return {
      tables: parts.map(({ table }) => table),
      statements: [],
      errors: parts.flatMap(({ errors }) => errors),
    };
  },
};

/** Measures the CPU time of a request for each count, side by side. */
async function compare<Count extends number>(
  fixture: Fixture,
  effort: Effort,
  { what, counts, open }: { what: string; counts: readonly Count[]; open(count: Count): Promise<Loaded> },
): Promise<Part> {
  const { rounds, seconds } = byLength(effort, {
    quick: { rounds: 5, seconds: 1 },
    usual: { rounds: 11, seconds: 2 },
    long: { rounds: 21, seconds: 4 },
  });
  const opened = new Map<string, Loaded>();
  for (const count of counts) opened.set(String(count), await open(count));
  const samples = await takeRounds(counts.map(String), rounds + 1, async (count, round) => {
    const loaded = opened.get(count);
    if (loaded === undefined) throw new Error(`${count} ${what} were not opened`);
    const sample = await takeSample(fixture, loaded, seconds);
    effort.say(`${round}  ${count} ${what}  ${sample.cpuMicros.toFixed(1)} µs`);
    return sample;
  });
  // The first round warms up.
  const own = (count: number): Sample[] => (samples[String(count)] ?? []).slice(1);
  const read = ({ cpuMicros }: Sample) => cpuMicros;
  const [first = 0] = counts;
  return {
    table: {
      title: `GET, ${CONNECTIONS} connections (in brackets: relative to the first row)`,
      columns: [what, 'CPU per request'],
      rows: counts.map((count) => [
        number(count),
        figure(median(own(count).map(read)), 'µs', 1, medianRatio(own(count), own(first), read)),
      ]),
    },
    errors: errorLines(
      what,
      addUp(Object.values(samples).flatMap((list) => list.map(({ errors }) => errors))),
    ),
  };
}

/** Counts the Redis commands of requests that are spread over the replicas, and of the replicas themselves. */
async function measureReplicas(fixture: Fixture, effort: Effort): Promise<Part> {
  const requestsEach = byLength(effort, { quick: 500, usual: 5_000, long: 20_000 });
  const keyPrefix = 'replicas:';
  const first = await fixture.coatcheck({ keyPrefix });
  const gateways = [first];
  const cookies = await first.signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
  // Replicas serve the base URL of the first.
  const requests = cookies.map((cookie) => requestText('GET', { port: first.port, cookie }));
  const rows: string[][] = [];
  const errors: Record<string, number>[] = [];
  let base = NaN;
  for (const count of REPLICAS) {
    while (gateways.length < count)
      gateways.push(await fixture.coatcheck({ keyPrefix, baseUrl: first.baseUrl }));
    const { calls } = await watchCommands(fixture.redis, async () => {
      for (const { port } of gateways) {
        const load = { port, connections: CONNECTIONS, requests, count: requestsEach };
        errors.push((await fixture.load.ask('run', load)).errors);
      }
    });
    const each = calls / (requestsEach * count);
    if (count === 1) base = each;
    rows.push([number(count), figure(each, '', 3, each / base)]);
    effort.say(`${count} replicas  ${each.toFixed(3)} Redis commands a request`);
  }
  return {
    table: {
      title: `${PEOPLE} sessions, ${number(requestsEach)} requests of each replica (in brackets: relative to one)`,
      columns: ['replicas', 'Redis commands per request'],
      rows,
    },
    errors: errorLines('replicas', addUp(errors)),
  };
}

async function openWith(
  fixture: Fixture,
  keyPrefix: string,
  { config = {} }: { config?: Record<string, unknown> },
): Promise<Loaded> {
  const { pid, port, signIn } = await fixture.coatcheck({ keyPrefix, config });
  const cookies = await signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
  const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
  return { pid, port, requests, forwards: true };
}

/** The route of the requests, and others of the same length and of greater ones. */
function routesOf({ upstream }: Fixture, count: number): { path: string; upstream: string }[] {
  const others = Array.from({ length: count - 1 }, (_, at) => `/api-${at}/v1`);
  return ['/api', ...others].map((path) => ({ path, upstream: `http://127.0.0.1:${upstream.ready.port}` }));
}

function withFields(request: string, count: number): string {
  const fields = Array.from({ length: count }, (_, at) => `X-Field-${at}: some value of a usual length\r\n`);
  return request.replace('\r\n', `\r\n${fields.join('')}`);
}
