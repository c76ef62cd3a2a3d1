import { setTimeout as sleep } from 'node:timers/promises';
import type { Coatcheck } from '../coatcheck.ts';
import type { Fixture } from '../fixture.ts';
import { errorLines, figure, number } from '../report/report.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage } from '../usage.ts';
import { requestText } from '../workload.ts';

/** The cost of each operation of one round, in microseconds of the gateway's CPU time, without the provider's. */
type Costs = { signIn: number; renewal: number; request: number };

const LONG_SECONDS = 3600;
/** Tokens that have expired when the next round uses them. */
const SHORT_SECONDS = 1;
const CONNECTIONS = 32;

/** Measures the CPU time of the gateway for a sign-in and for a renewal of tokens. */
export const renewal: Study = {
  title: 'CPU time of a sign-in and of a renewal of tokens',
  cases: [],

  async measure(fixture, effort) {
    const { rounds, people } = byLength(effort, {
      quick: { rounds: 5, people: 512 },
      usual: { rounds: 11, people: 1024 },
      long: { rounds: 25, people: 2048 },
    });
    const gateway = await fixture.coatcheck({
      keyPrefix: 'renewal:',
      config: { rateLimit: { login: 0, callback: 0 }, refresh: { maxPerMinute: 10_000 } },
    });
    const names = Array.from({ length: people }, (_, at) => `person-${at}`);
    const load = createLoad(fixture, gateway, people);
    const long = await signIn(fixture, gateway, names, LONG_SECONDS);
    const expiring = await signIn(fixture, gateway, names, SHORT_SECONDS);
    const errors: Record<string, number>[] = [];
    const all: Costs[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      const { cpuMicros: signInMicros } = await signIn(fixture, gateway, names, SHORT_SECONDS);
      await sleep(SHORT_SECONDS * 1000);
      const plain = await load(long.cookies);
      const renewing = await load(expiring.cookies);
      errors.push(plain.errors, renewing.errors);
      if (plain.renewals > 0 || renewing.renewals !== people)
        errors.push({ [`${renewing.renewals} renewals for ${people} people`]: 1 });
      const costs = {
        signIn: signInMicros / people,
        renewal: (renewing.cpuMicros - plain.cpuMicros) / people,
        request: plain.cpuMicros / people,
      };
      if (round > 0) all.push(costs);
      effort.say(
        `round ${round} of ${rounds}  sign-in ${number(costs.signIn)} µs  renewal ${number(costs.renewal)} µs`,
      );
    }
    const row = (title: string, name: keyof Costs) => [
      title,
      figure(
        median(all.map((costs) => costs[name])),
        'µs',
        0,
        medianRatio(
          all.map((costs) => costs[name]),
          all.map(({ request }) => request),
          (micros) => micros,
        ),
      ),
    ];
    return {
      tables: [
        {
          title: 'The gateway alone (in brackets: relative to a request with a valid token)',
          columns: ['', 'CPU each'],
          rows: [
            row('a request with a valid token', 'request'),
            row('a renewal, besides its request', 'renewal'),
            row('a sign-in: the login, the callback and the page', 'signIn'),
          ],
        },
      ],
      statements: [],
      errors: errorLines('renewal', addUp(errors)),
    };
  },
};

/** Signs everybody in with tokens of a lifetime, which also applies to the tokens that the provider issues later. */
async function signIn(
  { provider }: Fixture,
  { pid, signIn: signInAll }: Coatcheck,
  names: readonly string[],
  lifetime: number,
): Promise<{ cookies: readonly string[]; cpuMicros: number }> {
  await provider.ask('setLifetime', lifetime);
  const before = readUsage(pid).cpuMicros;
  const cookies = await signInAll(names);
  return { cookies, cpuMicros: readUsage(pid).cpuMicros - before };
}

/** Sends one request of every session. */
function createLoad({ load, provider }: Fixture, { pid, port }: Coatcheck, count: number) {
  return async (cookies: readonly string[]) => {
    const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
    const renewals = await provider.ask('refreshes');
    const before = readUsage(pid).cpuMicros;
    const { errors } = await load.ask('run', { port, connections: CONNECTIONS, requests, count });
    const cpuMicros = readUsage(pid).cpuMicros - before;
    return { errors, cpuMicros, renewals: (await provider.ask('refreshes')) - renewals };
  };
}
