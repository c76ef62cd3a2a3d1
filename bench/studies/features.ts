import { generateKeyPairSync } from 'node:crypto';
import type { CoatcheckOptions } from '../coatcheck.ts';
import type { Fixture } from '../fixture.ts';
import { errorLines, figure } from '../report/report.ts';
import { type Loaded, type Sample, takeRounds, takeSample } from '../sample.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { startWorker } from '../worker.ts';
import { describeRuleCost, rules } from './rule-cost.ts';
import type { ProviderOptions, ProviderShape } from '../workers/provider.ts';
import { requestText } from '../workload.ts';

/** How a gateway differs from the plain one. */
type Feature = { title: string } & Pick<
  CoatcheckOptions,
  'route' | 'unusedRoute' | 'config' | 'providerKeys'
> & {
    sendsTraces?: boolean;
  };

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = [{ key: privateKey.export({ format: 'pem', type: 'pkcs8' }) }];
const claims = ['sub', 'email', 'email_verified'];

const identity = {
  headers: { 'X-User': '/sub', 'X-Email': '/email' },
  jwt: { header: 'X-Identity', audience: 'https://api.example.test', claims },
};

const features = {
  none: { title: 'none of them' },
  rules: { title: 'rules over two claims and a scope (routes[].require)', route: { require: rules } },
  elsewhere: {
    title: 'rules, identity and bearer on another route',
    unusedRoute: {
      require: rules,
      identity,
      bearer: { issuers: ['https://login.example.test'], audience: 'https://api.example.test' },
    },
    config: { keys },
  },
  headers: {
    title: 'two identity headers',
    route: { identity: { headers: identity.headers } },
  },
  jwt: {
    title: 'an identity JWT, ES256',
    route: { identity: { jwt: identity.jwt } },
    config: { keys },
  },
  dpop: { title: 'DPoP: a proof for each request', providerKeys: { dpop: true } },
  traces: { title: 'traces, every request sampled', sendsTraces: true },
  'no-audit': { title: 'audit lines off', config: { audit: { destination: 'off' } } },
} as const satisfies Record<string, Feature>;
type FeatureId = keyof typeof features;
const ids = Object.keys(features) as FeatureId[];

const PEOPLE = 32;
const LEAD_IN_SECONDS = 1;

/** Measures what a feature costs when it is used, relative to a gateway that does not use it. */
export const featureCosts: Study = {
  title: 'CPU time of requests with rules, identity headers, DPoP, traces and audit lines',
  cases: ids,

  async measure(fixture, effort) {
    const { rounds, seconds } = byLength(effort, {
      quick: { rounds: 5, seconds: 1 },
      usual: { rounds: 11, seconds: 2 },
      long: { rounds: 21, seconds: 6 },
    });
    const chosen = ids.filter((id) => id === 'none' || effort.only?.includes(id) !== false);
    const opened = new Map<FeatureId, Loaded>();
    for (const id of chosen) opened.set(id, await open(fixture, id));
    const take = (id: FeatureId, duration: number): Promise<Sample> => {
      const loaded = opened.get(id);
      if (loaded === undefined) throw new Error(`${id} is not running`);
      return takeSample(fixture, loaded, duration);
    };
    const samples: Record<FeatureId, Sample[]> = await takeRounds(chosen, rounds, async (id, round) => {
      await take(id, LEAD_IN_SECONDS);
      const sample = await take(id, seconds);
      effort.say(`${round}  ${features[id].title.padEnd(50)} ${sample.cpuMicros.toFixed(1)} µs`);
      return sample;
    });
    const read = ({ cpuMicros }: Sample) => cpuMicros;
    return {
      tables: [
        {
          title: 'GET, 32 connections, session in the read cache (in brackets: relative to none of them)',
          columns: ['feature', 'CPU per request'],
          rows: chosen.map((id) => [
            features[id].title,
            figure(median(samples[id].map(read)), 'µs', 1, medianRatio(samples[id], samples.none, read)),
          ]),
        },
      ],
      statements: chosen.includes('rules') ? [await describeRuleCost()] : [],
      errors: chosen.flatMap((id) =>
        errorLines(features[id].title, addUp(samples[id].map(({ errors }) => errors))),
      ),
    };
  },
};

async function open(fixture: Fixture, id: FeatureId): Promise<Loaded> {
  const { sendsTraces = false, title: _, ...differs }: Feature = features[id];
  const options: ProviderOptions = { dpop: id === 'dpop' };
  const provider =
    id === 'dpop'
      ? await fixture.open(startWorker<ProviderShape>('workers/provider.ts', options))
      : fixture.provider;
  const { pid, port, signIn } = await fixture.coatcheck({
    provider,
    keyPrefix: `${id}:`,
    ...differs,
    // The API stands in for the collector: it takes whatever it is sent.
    env: sendsTraces
      ? { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${fixture.upstream.ready.port}` }
      : {},
  });
  const cookies = await signIn(Array.from({ length: PEOPLE }, (_, at) => `person-${at}`));
  const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
  return { pid, port, requests, forwards: true };
}
