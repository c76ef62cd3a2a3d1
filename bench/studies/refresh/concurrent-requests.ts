import { setTimeout as sleep } from 'node:timers/promises';
import type { Coatcheck } from '../../coatcheck.ts';
import type { LoadReport } from '../../load/load.ts';
import type { Fixture } from '../../fixture.ts';
import { addUp, median } from '../../statistics.ts';
import { byLength, type Effort } from '../../study.ts';
import { RESPONSE_BODY, requestText } from '../../workload.ts';

/** Concurrent requests of one session with an expired token, through one or more processes. */
export type ConcurrentRequests = {
  processes: number;
  rounds: number;
  /** Token calls per round. */
  tokenCalls: { fewest: number; most: number };
  /** The slowest request of each round, in milliseconds. */
  slowestMs: { median: number; max: number };
  /** The median of the slowest request with a valid token, in milliseconds. */
  validTokenSlowestMs: number;
  errors: Record<string, number>;
};

/** The number of concurrent requests. */
export const CONCURRENT_REQUESTS = 32;
/** How long the token endpoint takes, in milliseconds. */
export const TOKEN_DELAY_MS = 50;
const SESSIONS_PER_BATCH = 8;
const LIFETIME_SECONDS = 5;
const LONG_SECONDS = 3600;

/** Measures concurrent requests with an expired token, and the same with a valid token. */
export async function measureConcurrentRequests(
  fixture: Fixture,
  effort: Effort,
  processes: number,
): Promise<ConcurrentRequests> {
  const batches = byLength(effort, { quick: 1, usual: 3, long: 12 });
  const { provider } = fixture;
  const keyPrefix = `expired-${processes}:`;
  const first = await fixture.coatcheck({ keyPrefix });
  const gateways = [first];
  while (gateways.length < processes) {
    gateways.push(await fixture.coatcheck({ keyPrefix, baseUrl: first.baseUrl }));
  }
  // Warm up every process with another session.
  const [guide = ''] = await first.signIn(['guide']);
  for (let time = 0; time < 20; time += 1) await sendConcurrently(fixture, gateways, guide);

  const over: LoadReport[] = [];
  const alive: LoadReport[] = [];
  const tokenCalls: number[] = [];
  for (let batch = 0; batch < batches; batch += 1) {
    await provider.ask('setLifetime', LIFETIME_SECONDS);
    const cookies = await first.signIn(
      Array.from({ length: SESSIONS_PER_BATCH }, (_, at) => `expired-${processes}-${batch}-${at}`),
    );
    const signedInMs = performance.now();
    await provider.ask('setLifetime', LONG_SECONDS);
    // Let every process see the sessions once, so that only their tokens are expired later.
    const early = await provider.ask('refreshes');
    for (const cookie of cookies) await sendConcurrently(fixture, gateways, cookie);
    if ((await provider.ask('refreshes')) !== early)
      throw new Error('the machine is too slow for this measurementment');
    await sleep(signedInMs + LIFETIME_SECONDS * 1000 - performance.now());

    await provider.ask('setTokenDelay', TOKEN_DELAY_MS);
    for (const cookie of cookies) {
      const before = await provider.ask('refreshes');
      over.push(await sendConcurrently(fixture, gateways, cookie));
      tokenCalls.push((await provider.ask('refreshes')) - before);
      alive.push(await sendConcurrently(fixture, gateways, cookie));
    }
    await provider.ask('setTokenDelay', 0);
  }
  for (const gateway of gateways) await gateway.close();

  const slowest = over.map(({ max }) => max);
  effort.say(
    `processes: ${processes}  slowest of ${CONCURRENT_REQUESTS}, median ${median(slowest).toFixed(1)} ms`,
  );
  return {
    processes,
    rounds: over.length,
    tokenCalls: { fewest: Math.min(...tokenCalls), most: Math.max(...tokenCalls) },
    slowestMs: { median: median(slowest), max: Math.max(...slowest) },
    validTokenSlowestMs: median(alive.map(({ max }) => max)),
    errors: addUp([...over, ...alive].map(({ errors }) => errors)),
  };
}

/** Sends concurrent requests of one session, spread over the processes. */
async function sendConcurrently(
  fixture: Fixture,
  gateways: readonly Coatcheck[],
  cookie: string,
): Promise<LoadReport> {
  const connections = CONCURRENT_REQUESTS / gateways.length;
  const [first, ...others] = await Promise.all(
    gateways.map(({ port }) =>
      fixture.load.ask('run', {
        port,
        connections,
        requests: [requestText('GET', { port: Number(new URL(gateways[0]?.baseUrl ?? '').port), cookie })],
        expected: RESPONSE_BODY,
        count: connections,
      }),
    ),
  );
  if (first === undefined) throw new Error('at least one process is required');
  return {
    ...first,
    max: Math.max(first.max, ...others.map(({ max }) => max)),
    errors: addUp([first, ...others].map(({ errors }) => errors)),
  };
}
