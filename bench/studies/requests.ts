import { availableParallelism } from 'node:os';
import type { Fixture } from '../fixture.ts';
import { type PeerName, peers, peerVersion, startPeer } from '../peers/peers.ts';
import { errorLines, figure, memory, number, type Report, type Table, times } from '../report/report.ts';
import { type Loaded, type Sample, takeRounds, takeSample } from '../sample.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Effort, type Study } from '../study.ts';
import { readProportionalBytes, readUsage } from '../usage.ts';
import { type Method, requestText } from '../workload.ts';

/** A program under measurement; its requests carry the cookies of signed-in users where it has sessions. */
type Candidate = Omit<Loaded, 'requests'> & { cookies: readonly string[] };
type Opener = (fixture: Fixture) => Promise<Candidate>;

/** The candidates, in the order of the report. */
const candidates = {
  upstream: { title: 'the API, called directly', open: openUpstream },
  'node-http': { title: 'node:http responding by itself', open: openBaseline('node-http') },
  coatcheck: { title: 'Coatcheck', open: openCoatcheck('5s', 1) },
  'coatcheck-2': { title: 'Coatcheck, 2 workers', open: openCoatcheck('5s', 2) },
  'coatcheck-uncached': { title: 'Coatcheck, read cache off', open: openCoatcheck('0s', 1) },
  'coatcheck-uncached-2': { title: 'Coatcheck, read cache off, 2 workers', open: openCoatcheck('0s', 2) },
  'http-proxy-middleware': {
    title: 'http-proxy-middleware alone',
    open: openBaseline('http-proxy-middleware'),
  },
  'obvious-wiring': { title: 'the obvious wiring', open: openBaseline('obvious-wiring') },
  nginx: { title: 'nginx, a plain proxy without sessions', open: openPeer('nginx') },
  'oauth2-proxy': { title: 'oauth2-proxy, sessions in Redis', open: openPeer('oauth2-proxy') },
} as const satisfies Record<string, { title: string; open: Opener }>;
type CandidateId = keyof typeof candidates;
/** Only those that everybody has; a peer is measured when it is asked for. */
const ownIds = (Object.keys(candidates) as CandidateId[]).filter((id) => !Object.hasOwn(peers, id));
const BESIDE_PEERS = ['upstream', 'node-http', 'coatcheck', 'coatcheck-uncached'] as const;

/** The kinds of load that every candidate gets in each round. */
const kinds = {
  get: { method: 'GET', connections: 32, share: 1 },
  post: { method: 'POST', connections: 32, share: 0.5 },
  single: { method: 'GET', connections: 1, share: 0.5 },
} as const satisfies Record<string, { method: Method; connections: number; share: number }>;
type KindId = keyof typeof kinds;
type Samples = Partial<Record<CandidateId, Record<KindId, Sample>[]>>;

/** How many users are signed in, each with their own session. */
const PEOPLE = 32;
/** Long enough for V8 to optimize the hot code. */
const WARM_UP_SECONDS = 2;
/** Restores the state that V8 drops while idle: it shrinks its young generation. */
const LEAD_IN_SECONDS = 1;

/** Measures the cost of a request, compared with `node:http` and with other solutions. */
export const requests: Study = {
  title: 'CPU time, rate, latency and memory of requests, compared with node:http and the obvious wiring',
  cases: ownIds,

  measure(fixture, effort) {
    // Ratios need the API behind the candidates and the floor.
    const chosen = effort.only && ['upstream', 'node-http', ...effort.only];
    return compare(
      fixture,
      effort,
      ownIds.filter((id) => chosen?.includes(id) !== false),
    );
  },
};

/** Measures Coatcheck beside other programs that do the same work. */
export const besidePeers: Study = {
  title: 'CPU time, rate, latency and memory of requests, beside the programs of --peer',
  cases: [],

  async measure(fixture, effort) {
    const report = await compare(fixture, effort, [...BESIDE_PEERS, ...effort.peers]);
    return {
      ...report,
      statements: [...report.statements, `Versions: ${effort.peers.map(peerVersion).join(', ')}.`],
    };
  },
};

async function compare(fixture: Fixture, effort: Effort, ids: readonly CandidateId[]): Promise<Report> {
  const { rounds, seconds } = byLength(effort, {
    quick: { rounds: 3, seconds: 1 },
    usual: { rounds: 9, seconds: 2 },
    long: { rounds: 15, seconds: 6 },
  });
  const opened = new Map<CandidateId, Candidate>();
  for (const id of ids) opened.set(id, await candidates[id].open(fixture));
  const load = (id: CandidateId, kind: KindId, duration: number) => {
    const candidate = opened.get(id);
    if (candidate === undefined) throw new Error(`${id} is not running`);
    const { method, connections } = kinds[kind];
    const texts = candidate.cookies.map((cookie) => requestText(method, { port: candidate.port, cookie }));
    return takeSample(fixture, { ...candidate, requests: texts }, duration, connections);
  };
  for (const id of ids) {
    for (const kind of ['get', 'post'] as const) {
      const { errors } = await load(id, kind, WARM_UP_SECONDS);
      if (Object.keys(errors).length === 0) continue;
      throw new Error(`${candidates[id].title} returns unexpected responses: ${JSON.stringify(errors)}`);
    }
  }
  const samples: Samples = await takeRounds(ids, rounds, async (id, round) => {
    await load(id, 'get', LEAD_IN_SECONDS);
    const sample = {
      get: await load(id, 'get', seconds * kinds.get.share),
      post: await load(id, 'post', seconds * kinds.post.share),
      single: await load(id, 'single', seconds * kinds.single.share),
    };
    const [get, post] = [sample.get.cpuMicros.toFixed(1), sample.post.cpuMicros.toFixed(1)];
    effort.say(`${round}  ${candidates[id].title.padEnd(38)} CPU: GET ${get} µs, POST ${post} µs`);
    return sample;
  });
  return {
    tables: [tableOf('get', samples), tableOf('post', samples)],
    statements: [
      ...compareCpu('coatcheck', samples),
      ...compareCpu('coatcheck-uncached', samples),
      ...compareWorkers(samples),
      ...(['coatcheck', 'coatcheck-2'] as const).flatMap((id) => {
        const pid = opened.get(id)?.pid;
        return pid === undefined ? [] : [describeMemory(id, pid)];
      }),
      ...ids
        .filter((id) => median(of(samples, id, 'get').map(({ busy }) => busy)) > 0.9)
        .map((id) => `The load generator limited ${candidates[id].title}: use only its CPU time.`),
    ],
    errors: ids.flatMap((id) => {
      const all = (samples[id] ?? []).flatMap((kind) => Object.values(kind).map(({ errors }) => errors));
      return errorLines(candidates[id].title, addUp(all));
    }),
  };
}

async function openUpstream({ upstream: { pid, ready } }: Fixture): Promise<Candidate> {
  return { pid, port: ready.port, cookies: ['theme=dark'], forwards: false };
}

function openBaseline(name: string): Opener {
  return async (fixture) => {
    const { pid, ready } = await fixture.baseline(name);
    return { pid, port: ready.port, cookies: [ready.cookie], forwards: name !== 'node-http' };
  };
}

function openPeer(name: PeerName): Opener {
  return async (fixture) => {
    const peer = await fixture.open(startPeer(name, fixture, PEOPLE));
    return { ...peer, forwards: true };
  };
}

function openCoatcheck(maxAge: string, workers: number): Opener {
  return async (fixture) => {
    const keyPrefix = `bench-${maxAge}-${workers}:`;
    const gateway = await fixture.coatcheck({
      keyPrefix,
      session: { cache: { maxAge } },
      config: { workers },
    });
    const cookies = await gateway.signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
    return { pid: gateway.pid, port: gateway.port, cookies, forwards: true };
  };
}

function of(samples: Samples, id: CandidateId, kind: KindId): Sample[] {
  return (samples[id] ?? []).map((round) => round[kind]);
}

function tableOf(kind: 'get' | 'post', samples: Samples): Table {
  const isGet = kind === 'get';
  const floor = of(samples, 'node-http', kind);
  const peak = (list: readonly Sample[]) =>
    Math.max(...list.map(({ residentPeakBytes }) => residentPeakBytes));
  const row = (id: CandidateId) => {
    const own = of(samples, id, kind);
    const cell = (read: (sample: Sample) => number, unit: string, digits: number) =>
      figure(median(own.map(read)), unit, digits, medianRatio(own, floor, read));
    const single = of(samples, id, 'single');
    const direct = of(samples, 'upstream', 'single');
    const added = median(single.map(({ p50 }, round) => p50 - (direct[round]?.p50 ?? NaN)));
    const addedRatio = medianRatio(single, direct, ({ p50 }) => p50) - 1;
    const forwards = id !== 'upstream' && id !== 'node-http';
    return [
      candidates[id].title,
      cell(({ cpuMicros }) => cpuMicros, 'µs', 1),
      cell(({ perSecond }) => perSecond, '', 0),
      cell(({ p50 }) => p50, 'ms', 2),
      cell(({ p99 }) => p99, 'ms', 1),
      ...(isGet
        ? [
            forwards ? figure(added, 'ms', 3, addedRatio) : '–',
            memory(peak(own), 'MB', 0, peak(own) / peak(floor)),
          ]
        : []),
    ];
  };
  const direct = isGet ? '; added latency: relative to a direct request to the API' : '';
  return {
    title: `${kinds[kind].method}, 32 connections (in brackets: relative to node:http${direct})`,
    columns: [
      '',
      'CPU per request',
      'requests/s',
      'p50',
      'p99',
      ...(isGet ? ['added latency, one connection', 'peak memory'] : []),
    ],
    rows: (Object.keys(samples) as CandidateId[]).map(row),
  };
}

function compareCpu(id: CandidateId, samples: Samples): string[] {
  if (samples[id] === undefined) return [];
  const others = (
    ['node-http', 'http-proxy-middleware', 'obvious-wiring', 'nginx', 'oauth2-proxy'] as const
  ).filter((other) => samples[other] !== undefined);
  const parts = others.map((other) => {
    const read = ({ cpuMicros }: Sample) => cpuMicros;
    const ratio = medianRatio(of(samples, id, 'get'), of(samples, other, 'get'), read);
    const { title } = candidates[other];
    return ratio < 1 ? `1/${number(1 / ratio, 1)} of ${title}` : `${times(ratio)} ${title}`;
  });
  return [`CPU per request, ${candidates[id].title}: ${parts.join(', ')}.`];
}

/** Resident memory counts pages that processes share once for each, such as those of the program file of Node.js. */
function describeMemory(id: CandidateId, pid: number): string {
  const megabytes = (bytes: number) => `${number(bytes / 2 ** 20)} MB`;
  const resident = megabytes(readUsage(pid).residentBytes);
  return `Memory at the end, ${candidates[id].title}: ${resident}, with shared pages counted once ${megabytes(readProportionalBytes(pid))}.`;
}

function compareWorkers(samples: Samples): string[] {
  if (samples['coatcheck'] === undefined || samples['coatcheck-2'] === undefined) return [];
  const rate = (id: CandidateId) => median(of(samples, id, 'get').map(({ perSecond }) => perSecond));
  const cores = availableParallelism();
  return [
    `Two workers serve ${times(rate('coatcheck-2') / rate('coatcheck'))} the requests of one` +
      (cores < 4
        ? `; the load generator and the API share the ${cores} cores, so the second worker has no core of its own.`
        : '.'),
  ];
}
