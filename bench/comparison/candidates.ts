import type { BaselineOptions, BaselineShape } from '../baselines/baseline.ts';
import { startWorker } from '../worker.ts';
import type { Fixture } from '../fixture.ts';
import { type Method, requestText } from '../workload.ts';

/** A program under measurement. */
export type Candidate = {
  readonly id: CandidateId;
  readonly pid: number;
  readonly port: number;
  /** The request texts, with the cookies of signed-in users where the candidate has sessions. */
  requests(method: Method): string[];
  /** Whether each request must reach the API with a token. */
  readonly forwards: boolean;
};

/** The candidates, in the order of the report. */
export const candidates = {
  upstream: { title: 'the API, called directly', open: openUpstream },
  'node-http': { title: 'node:http responding by itself', open: openBaseline('node-http') },
  coatcheck: { title: 'Coatcheck', open: openCoatcheck() },
  'coatcheck-2': { title: 'Coatcheck, 2 workers', open: openCoatcheck({ workers: 2 }) },
  'coatcheck-uncached': { title: 'Coatcheck, read cache off', open: openCoatcheck({ cacheMaxAge: '0s' }) },
  'coatcheck-uncached-2': {
    title: 'Coatcheck, read cache off, 2 workers',
    open: openCoatcheck({ cacheMaxAge: '0s', workers: 2 }),
  },
  'http-proxy-middleware': {
    title: 'http-proxy-middleware alone',
    open: openBaseline('http-proxy-middleware'),
  },
  'obvious-wiring': { title: 'the obvious wiring', open: openBaseline('obvious-wiring') },
} as const satisfies Record<string, { title: string; open: Opener }>;

/** The short name of a candidate. */
export type CandidateId = keyof typeof candidates;

/** Starts a candidate. */
type Opener = (fixture: Fixture) => Promise<Omit<Candidate, 'id'>>;

/** How many users are signed in, each with their own session. */
const PEOPLE = 32;

async function openUpstream({ upstream }: Fixture): Promise<Omit<Candidate, 'id'>> {
  const { port } = upstream.ready;
  return {
    pid: upstream.pid,
    port,
    requests: (method) => [requestText(method, { port, cookie: 'theme=dark' })],
    forwards: false,
  };
}

function openBaseline(name: string): Opener {
  return async (fixture) => {
    const options: BaselineOptions = { upstream: fixture.upstreamUrl, redisUrl: fixture.redis.rootUrl };
    const worker = await fixture.open(startWorker<BaselineShape>(`baselines/${name}.ts`, options));
    const { port, cookie } = worker.ready;
    return {
      pid: worker.pid,
      port,
      requests: (method) => [requestText(method, { port, cookie })],
      forwards: name !== 'node-http',
    };
  };
}

function openCoatcheck({ cacheMaxAge = '5s', workers = 1 } = {}): Opener {
  return async (fixture) => {
    const gateway = await fixture.coatcheck({
      keyPrefix: `bench-${cacheMaxAge}-${workers}:`,
      session: { cache: { maxAge: cacheMaxAge } },
      config: { workers },
    });
    const cookies = await gateway.signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
    const { pid, port } = gateway;
    return {
      pid,
      port,
      requests: (method) => cookies.map((cookie) => requestText(method, { port, cookie })),
      forwards: true,
    };
  };
}
