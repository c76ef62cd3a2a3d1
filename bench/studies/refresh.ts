import { setTimeout as sleep } from 'node:timers/promises';
import type { Coatcheck } from '../coatcheck.ts';
import type { Fixture } from '../fixture.ts';
import { errorLines, figure, number, type Report, times } from '../report/report.ts';
import { takeRounds, takeSample } from '../sample.ts';
import { addUp, median, medianRatio } from '../statistics.ts';
import { byLength, type Effort, type Study } from '../study.ts';
import type { LoadReport } from '../workers/load.ts';
import { requestText } from '../workload.ts';

/** The number of concurrent requests with an expired token. */
const CONCURRENT_REQUESTS = 32;
/** How long the token endpoint takes, in milliseconds. */
const TOKEN_DELAY_MS = 50;
const SESSIONS_PER_BATCH = 8;
const EXPIRED_AFTER_SECONDS = 5;
/** Lifetime of the tokens that are refreshed all the time. */
const SHORT_SECONDS = 10;
const LONG_SECONDS = 3600;
const PEOPLE = 64;

/** Measures what users notice of token refreshes. */
export const refresh: Study = {
  title: 'Requests while tokens are refreshed, and concurrent requests with an expired token',
  cases: [],

  async measure(fixture, effort) {
    const expired: Part[] = [];
    for (const processes of [1, 2, 4]) expired.push(await measureExpired(fixture, effort, processes));
    const ahead = await measureAhead(fixture, effort);
    const deadFamilies = await fixture.provider.ask('deadFamilies');
    return {
      tables: [
        ...ahead.tables,
        {
          title: `${CONCURRENT_REQUESTS} concurrent requests with an expired token; the token endpoint takes ${TOKEN_DELAY_MS} ms`,
          columns: ['', 'token calls', 'slowest, median', 'slowest overall', 'valid token: slowest, median'],
          rows: expired.map(({ row }) => row),
        },
      ],
      statements: [
        ...ahead.statements,
        'Brackets in the second table: relative to the time that the token endpoint takes.',
      ],
      errors: [
        ...ahead.errors,
        ...expired.flatMap(({ errors }) => errors),
        ...(deadFamilies > 0 ? [`${deadFamilies} sessions lost their grant at the provider`] : []),
      ],
    };
  },
};

/** One row of the second table. */
type Part = { row: string[]; errors: string[] };

/** Measures requests with long-lived and with short-lived tokens, alternately. */
async function measureAhead(fixture: Fixture, effort: Effort): Promise<Report> {
  const { rounds, seconds } = byLength(effort, {
    quick: { rounds: 3, seconds: 4 },
    usual: { rounds: 8, seconds: 10 },
    long: { rounds: 20, seconds: 20 },
  });
  const open = async (name: string, lifetime: number) => {
    const { pid, port, signIn } = await fixture.coatcheck({ keyPrefix: `ahead-${name}:` });
    await fixture.provider.ask('setLifetime', lifetime);
    const cookies = await signIn(Array.from({ length: PEOPLE }, (_, at) => `${name}-${at}`));
    const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
    return { pid, port, requests, forwards: true };
  };
  // The lifetime set last also applies to refreshed tokens, so the short-lived ones come second.
  const programs = { long: await open('long', LONG_SECONDS), short: await open('short', SHORT_SECONDS) };
  let refreshes = 0;
  const { long, short } = await takeRounds(['long', 'short'], rounds, async (name, round) => {
    // Tokens expired while the other gateway was measured: refresh them before the measured time.
    await takeSample(fixture, programs[name], 2);
    const before = await fixture.provider.ask('refreshes');
    const sample = await takeSample(fixture, programs[name], seconds);
    if (name === 'short') refreshes += (await fixture.provider.ask('refreshes')) - before;
    effort.say(`${round}  ${name}-lived tokens  p99 ${sample.p99.toFixed(2)} ms`);
    return sample;
  });
  const cells = (samples: typeof long) =>
    (['p50', 'p99'] as const).map((name) =>
      figure(
        median(samples.map((each) => each[name])),
        'ms',
        2,
        medianRatio(samples, long, (s) => s[name]),
      ),
    );
  return {
    tables: [
      {
        title: `Refresh ahead of expiry: tokens of ${SHORT_SECONDS} s, ${PEOPLE} users (in brackets: relative to no refresh)`,
        columns: ['', 'p50', 'p99'],
        rows: [
          ['no refresh', ...cells(long)],
          [`${number(refreshes)} refreshes during the run`, ...cells(short)],
        ],
      },
    ],
    statements: [
      `p99 while tokens are refreshed: ${times(medianRatio(short, long, ({ p99 }) => p99))} p99 without.`,
    ],
    errors: errorLines('refreshed ahead', addUp([...long, ...short].map(({ errors }) => errors))),
  };
}

/** Measures concurrent requests with an expired token, and the same with a valid token, through some processes. */
async function measureExpired(fixture: Fixture, effort: Effort, processes: number): Promise<Part> {
  const batches = byLength(effort, { quick: 1, usual: 3, long: 12 });
  const { provider } = fixture;
  const keyPrefix = `expired-${processes}:`;
  const first = await fixture.coatcheck({ keyPrefix });
  const gateways = [first];
  while (gateways.length < processes) {
    gateways.push(await fixture.coatcheck({ keyPrefix, baseUrl: first.baseUrl }));
  }
  const send = (cookie: string) => sendConcurrently(fixture, gateways, first, cookie);
  // Warm up every process with another session.
  const [warm = ''] = await first.signIn(['warm-up']);
  for (let time = 0; time < 20; time += 1) await send(warm);

  const expired: LoadReport[] = [];
  const valid: LoadReport[] = [];
  const tokenCalls: number[] = [];
  for (let batch = 0; batch < batches; batch += 1) {
    await provider.ask('setLifetime', EXPIRED_AFTER_SECONDS);
    const names = Array.from({ length: SESSIONS_PER_BATCH }, (_, at) => `${processes}-${batch}-${at}`);
    const cookies = await first.signIn(names);
    const signedInMs = performance.now();
    await provider.ask('setLifetime', LONG_SECONDS);
    // Let every process see the sessions once, so that only their tokens are expired later.
    const early = await provider.ask('refreshes');
    for (const cookie of cookies) await send(cookie);
    if ((await provider.ask('refreshes')) !== early)
      throw new Error('the machine is too slow for this measurement');
    await sleep(signedInMs + EXPIRED_AFTER_SECONDS * 1000 - performance.now());

    await provider.ask('setTokenDelay', TOKEN_DELAY_MS);
    for (const cookie of cookies) {
      const before = await provider.ask('refreshes');
      expired.push(await send(cookie));
      tokenCalls.push((await provider.ask('refreshes')) - before);
      valid.push(await send(cookie));
    }
    await provider.ask('setTokenDelay', 0);
  }
  for (const gateway of gateways) await gateway.close();

  const slowest = expired.map(({ max }) => max);
  effort.say(
    `processes: ${processes}  slowest of ${CONCURRENT_REQUESTS}, median ${median(slowest).toFixed(1)} ms`,
  );
  const title = processes === 1 ? '1 process' : `${processes} processes`;
  const cell = (ms: number) => figure(ms, 'ms', 1, ms / TOKEN_DELAY_MS);
  return {
    row: [
      title,
      number(Math.max(...tokenCalls)),
      cell(median(slowest)),
      cell(Math.max(...slowest)),
      cell(median(valid.map(({ max }) => max))),
    ],
    errors: [
      ...errorLines(title, addUp([...expired, ...valid].map(({ errors }) => errors))),
      ...tokenCalls.filter((calls) => calls !== 1).map((calls) => `${title}: ${calls} token calls`),
    ],
  };
}

/** Sends concurrent requests of one session, spread over the processes; `max` is that of the slowest. */
async function sendConcurrently(
  { load }: Fixture,
  gateways: readonly Coatcheck[],
  { port }: Coatcheck,
  cookie: string,
): Promise<LoadReport> {
  const connections = CONCURRENT_REQUESTS / gateways.length;
  // Replicas serve the base URL of the first.
  const requests = [requestText('GET', { port, cookie })];
  const [first, ...others] = await Promise.all(
    gateways.map((gateway) =>
      load.ask('run', { port: gateway.port, connections, requests, count: connections }),
    ),
  );
  if (first === undefined) throw new Error('at least one process is required');
  return {
    ...first,
    max: Math.max(first.max, ...others.map(({ max }) => max)),
    errors: addUp([first, ...others].map(({ errors }) => errors)),
  };
}
