import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import { isLong, createSeededRandom } from '../../testkit/seeded-random.ts';
import {
  type GatewayCluster,
  type Member,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { type Load, type LoadResponse, startLoad } from '../../testkit/gateway/load.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';
import { type Versions, followVersions } from '../../testkit/project/versions.ts';

const KILLS = isLong ? 100 : 15;
const STOPS = isLong ? 50 : 5;
const PROCESSES = 4;
const VISITORS = isLong ? 80 : 40;
const PATIENCE = { timeout: 20_000, interval: 20 };

const random = createSeededRandom();
let cluster: GatewayCluster;
let visitors: Visitor[];
let versions: Versions;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: PROCESSES, provider: { accessTokenLifetime: 2 } });
  visitors = await cluster.signIn(visitorNames(VISITORS));
  versions = await followVersions(cluster, visitors);
  // The provider rotates at once and responds later, so that some kills happen in between.
  cluster.provider.faults.delayMs('token', 30);
});
afterAll(async () => {
  versions.close();
  await cluster.close();
});

/** The number of refresh tokens that a session has spent. */
const spentBy = (name: string) =>
  cluster.provider.families
    .find(({ grant }) => grant.subject === name)
    ?.refreshTokens.filter(({ spent }) => spent > 0).length;

/** The longest time until the data of a killed process has been read, in milliseconds. */
const AFTERGLOW_MS = 100;

/** Kills a process; returns the refresh tokens that it had sent over its connections. */
async function kill(victim: Member): Promise<string[]> {
  const { requests } = cluster.provider;
  const closedBefore = new Set(requests.map(({ socket }) => socket).filter(({ closed }) => closed));
  await cluster.kill(victim);
  await sleep(AFTERGLOW_MS);
  return requests
    .filter(({ socket }) => socket.closed && !closedBefore.has(socket))
    .flatMap(({ form }) => form?.['refresh_token'] ?? []);
}

/** Replaces ending processes by new ones, repeatedly. */
async function replaceAtRandom(times: number, dismiss: (victim: Member) => Promise<void>): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const next = cluster.add();
    await sleep(random.between(100, 600));
    await dismiss(random.pick(cluster.members));
    await next;
  }
}

/** Calls once with each session through each process. */
async function callAll(): Promise<LoadResponse['status'][]> {
  const responses = visitors.flatMap((visitor) => cluster.members.map((member) => visitor.call(member)));
  return (await Promise.all(responses)).map(({ status }) => status);
}

function report(what: string, load: Load): void {
  const statuses = countOccurrences(load.responses.map(({ status }) => status));
  printFigures(`${what} (CHAOS_SEED=${random.seed})`, cluster);
  console.log(`${what}: responses`, statuses);
}

it(
  `${KILLS} kills at random moments lose only the sessions whose new tokens were issued but not yet stored`,
  async () => {
    const load = startLoad(cluster, visitors);
    const interrupted: string[] = [];
    await replaceAtRandom(KILLS, async (victim) => {
      interrupted.push(...(await kill(victim)));
      for (const { ttlMs } of await cluster.locks()) {
        expect(ttlMs).toBeGreaterThan(0);
        expect(ttlMs).toBeLessThanOrEqual(cluster.lockTtlMs);
      }
    });
    await load.stop();
    // Nothing remains for longer than the lifetime of a lock, and every user whose session is lost gets a 401.
    await vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);
    await callAll();
    await vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), PATIENCE);
    report(`${KILLS} kills`, load);

    // Each token that was presented again had been sent by a killed process before.
    const { repeated, lost, mixUps } = balance(cluster);
    expect(mixUps).toEqual([]);
    const interruptions = countOccurrences(interrupted);
    expect(repeated.filter(({ token, presented }) => presented - 1 > (interruptions[token] ?? 0))).toEqual(
      [],
    );
    expect(repeated).toHaveLength(lost.length);
    // Only the response to it was not written. This is how sessions were lost.
    const written = visitors.map(
      (visitor) => versions.of(visitor) - 1 + (lost.includes(visitor.name) ? 1 : 0),
    );
    expect(written).toEqual(visitors.map(({ name }) => spentBy(name)));

    // Users whose session was lost got a 401 and a cleared cookie; all others were served.
    const ended = load.responses.filter(({ status }) => status === 401);
    expect(ended.map(({ visitor }) => visitor.name).filter((name) => !lost.includes(name))).toEqual([]);
    for (const { code, headers } of ended) {
      expect(code).toBe('session_expired');
      expect(headers['set-cookie']).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
    }
    const others = load.responses.filter(({ status }) => status !== 200 && status !== 401);
    expect(
      others.filter(({ status, member }) => status !== 503 && (status !== 'cut' || member.isServing)),
    ).toEqual([]);
    for (const { headers } of others.filter(({ status }) => status === 503)) {
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
    }

    // No session is damaged, and a lost one is not refreshed again.
    const losers = visitors.filter(({ name }) => lost.includes(name));
    visitors = visitors.filter(({ name }) => !lost.includes(name));
    expect(countOccurrences(await callAll())).toEqual({ 200: visitors.length * cluster.members.length });
    expect(await cluster.redis.command('KEYS', 'coatcheck:session:*')).toHaveLength(visitors.length);
    for (const loser of losers) {
      expect(await loser.call(cluster.member(0))).toMatchObject({ status: 401, code: 'session_expired' });
    }
    expect(balance(cluster).repeated).toEqual(repeated);
  },
  60_000 + KILLS * 3_000,
);

it(
  `${STOPS} graceful stops at random moments lose no session because each process completes its running work`,
  async () => {
    const { repeated, lost } = balance(cluster);
    const load = startLoad(cluster, visitors);
    await replaceAtRandom(STOPS, async (victim) => {
      expect(await cluster.stop(victim)).toEqual({ code: 0, signal: null });
    });
    await load.stop();
    report(`${STOPS} stops`, load);

    expect(balance(cluster)).toMatchObject({ repeated, lost, mixUps: [] });
    // A keep-alive connection may close at the moment of its reuse.
    const isInOrder = ({ status, member }: LoadResponse) =>
      status === 200 || (status === 'cut' && !member.isServing);
    expect(load.responses.filter((response) => !isInOrder(response))).toEqual([]);
    expect(countOccurrences(await callAll())).toEqual({ 200: visitors.length * cluster.members.length });
    // The remaining locks are in use: they are released before they could expire.
    await vi.waitFor(async () => expect(await cluster.locks()).toEqual([]), {
      timeout: cluster.lockTtlMs / 2,
    });
    expect(visitors.map((visitor) => versions.of(visitor) - 1)).toEqual(
      visitors.map(({ name }) => spentBy(name)),
    );
  },
  60_000 + STOPS * 5_000,
);
