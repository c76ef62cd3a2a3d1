import { setTimeout as sleep } from 'node:timers/promises';
import type { Coatcheck } from '../../coatcheck.ts';
import { number } from '../../report/quantity.ts';
import type { Fixture } from '../../fixture.ts';
import { addUp } from '../../statistics.ts';
import type { Effort } from '../../study.ts';
import { RESPONSE_BODY, requestText } from '../../workload.ts';
import type { PopulatedGateway } from './populated-gateway.ts';
import { measurePhase, type Phase } from './phases.ts';

/** The phases of the visit, in order. */
export type Visits = { phases: Phase[]; errors: Record<string, number> };

/** Long enough that the next use of a session is written to Redis. */
const UNTIL_TOUCHED_MS = 20_000;
const MAX_CONCURRENT = 8;

/** Signs many users in, lets them come back, and signs them out: half through the admin API, half by their own request. */
export async function visit(
  fixture: Fixture,
  effort: Effort,
  populated: PopulatedGateway,
  visitors: number,
): Promise<Visits> {
  const { gateway } = populated;
  const phases: Phase[] = [];
  const errors: Record<string, number>[] = [];
  const during = async <T>(what: string, count: number, work: () => Promise<T>): Promise<T> => {
    const { result, phase } = await measurePhase(populated, what, count, work);
    phases.push(phase);
    effort.say(`${number(count)} sessions ${what} in ${phase.seconds.toFixed(1)} s`);
    return result;
  };
  const load = async (cookies: readonly string[]) => {
    const { port } = gateway;
    const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
    return fixture.load.ask('run', {
      port,
      connections: 32,
      requests,
      expected: RESPONSE_BODY,
      count: requests.length,
    });
  };

  const names = Array.from({ length: visitors }, (_, at) => `visitor-${at % (visitors / 2)}`);
  const cookies = await during('signed in', visitors, () => gateway.signIn(names));
  await sleep(UNTIL_TOUCHED_MS);
  errors.push((await during('used, idle limit extended', visitors, () => load(cookies))).errors);

  const subjects = [...new Set(names)];
  const half = new Set(subjects.slice(0, visitors / 4));
  await during('ended by subject', half.size * 2, () =>
    forEachConcurrently([...half], gateway.endSessionsOf),
  );
  const others = cookies.filter((_, at) => !half.has(names[at] ?? ''));
  await during('signed out', others.length, () =>
    forEachConcurrently(others, (cookie) => signOut(gateway, cookie)),
  );

  const afterwards = await load(cookies);
  const alive = visitors - (afterwards.errors['status 401'] ?? 0);
  if (alive > 0) errors.push({ 'not ended': alive });
  return { phases, errors: addUp(errors) };
}

/** Runs `work` for every item, a few at a time. */
async function forEachConcurrently<T>(list: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const queue = list.values();
  const worker = async () => {
    for (const one of queue) await work(one);
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENT }, worker));
}

async function signOut({ port, baseUrl }: Coatcheck, cookie: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/auth/logout`, {
    method: 'POST',
    headers: { cookie, origin: baseUrl, 'x-csrf': '1' },
  });
  await response.arrayBuffer();
}
