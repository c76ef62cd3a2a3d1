import { setTimeout as sleep } from 'node:timers/promises';
import type { Fixture } from '../../fixture.ts';
import { number } from '../../report/report.ts';
import { addUp } from '../../statistics.ts';
import type { Effort } from '../../study.ts';
import { readUsage } from '../../usage.ts';
import { requestText } from '../../workload.ts';
import type { PopulatedGateway } from './populated-gateway.ts';
import { watchCommands } from './redis.ts';

/** One operation on many sessions. */
export type Phase = {
  what: string;
  count: number;
  seconds: number;
  /** CPU time of the gateway per session, in microseconds. */
  cpuMicros: number;
  /** Time of Redis per session, from its command statistics, in microseconds. */
  redisMicros: number;
  /** The Redis commands, calls in scripts included. */
  commands: string[];
};

/** Long enough that the next use of a session is written to Redis. */
const UNTIL_TOUCHED_MS = 20_000;
const MAX_CONCURRENT = 8;
const LONG_SECONDS = 3600;
/** Tokens that have expired when they are used. */
const SHORT_SECONDS = 1;

/**
 * Signs many users in, lets them come back, and signs them out: half through the admin API, half by their own request. In
 * between, as many sessions whose tokens have expired are used once.
 */
export async function visit(
  fixture: Fixture,
  effort: Effort,
  { gateway, redis }: PopulatedGateway,
  visitors: number,
): Promise<{ phases: Phase[]; errors: Record<string, number> }> {
  const { pid, port, baseUrl } = gateway;
  const phases: Phase[] = [];
  const during = async (what: string, count: number, work: () => Promise<void>): Promise<void> => {
    const before = readUsage(pid).cpuMicros;
    const startedMs = performance.now();
    const { commands, micros } = await watchCommands(redis, work);
    const seconds = (performance.now() - startedMs) / 1000;
    const cpuMicros = (readUsage(pid).cpuMicros - before) / count;
    phases.push({ what, count, seconds, cpuMicros, redisMicros: micros / count, commands });
    effort.say(`${number(count)} sessions ${what} in ${seconds.toFixed(1)} s`);
  };
  const load = async (cookies: readonly string[]) => {
    const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
    const report = await fixture.load.ask('run', { port, connections: 32, requests, count: cookies.length });
    return report.errors;
  };
  const signOut = async (cookie: string) => {
    const headers = { cookie, origin: baseUrl, 'x-csrf': '1' };
    const response = await fetch(`http://127.0.0.1:${port}/auth/logout`, { method: 'POST', headers });
    await response.arrayBuffer();
  };

  const names = Array.from({ length: visitors }, (_, at) => `visitor-${at % (visitors / 2)}`);
  let cookies: string[] = [];
  let errors: Record<string, number> = {};
  await during('signed in', visitors, async () => {
    cookies = await gateway.signIn(names);
  });
  await sleep(UNTIL_TOUCHED_MS);
  await during('used, idle limit extended', visitors, async () => {
    errors = await load(cookies);
  });
  await fixture.provider.ask('setLifetime', SHORT_SECONDS);
  const expired = await gateway.signIn(names.map((name) => `expired-${name}`));
  await fixture.provider.ask('setLifetime', LONG_SECONDS);
  await sleep(SHORT_SECONDS * 1000);
  await during('used, tokens refreshed', visitors, async () => {
    errors = addUp([errors, await load(expired)]);
  });
  const half = new Set(names.slice(0, visitors / 4));
  await during('ended by subject', half.size * 2, () =>
    forEachConcurrently([...half], gateway.endSessionsOf),
  );
  const others = cookies.filter((_, at) => !half.has(names[at] ?? ''));
  await during('signed out', others.length, () => forEachConcurrently(others, signOut));

  const alive = visitors - ((await load(cookies))['status 401'] ?? 0);
  return { phases, errors: addUp([errors, alive > 0 ? { 'not ended': alive } : {}]) };
}

/** Runs `work` for every item, a few at a time. */
async function forEachConcurrently<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const queue = list.values();
  const worker = async () => {
    for (const one of queue) await work(one);
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENT }, worker));
}
