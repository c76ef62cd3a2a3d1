import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  type GatewayCluster,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';

/** The number of concurrent token endpoint calls per process. */
const AT_ONCE = 8;
const PROCESSES = 4;

/** The default times: in this file requests wait, and none too long. */
const DEPLOYED = { timeout: '10s', maxConcurrent: AT_ONCE, ahead: '90%' };

let cluster: GatewayCluster;

beforeAll(async () => {
  cluster = await openGatewayCluster({ size: PROCESSES, lockTtlMs: 30_000, refresh: DEPLOYED });
});
// The figures add up over the tests of this file, which share a cluster.
afterEach(({ task }) => printFigures(task.name, cluster));
afterAll(() => cluster.close());

const refreshes = () => cluster.provider.tokenCalls({ grant: 'refresh_token' });

/** Calls once for each visitor and round, all at once, through the processes in turn. */
async function callAtOnce(visitors: readonly Visitor[], rounds: number) {
  const calls = Array.from({ length: rounds }, (_, round) =>
    visitors.map((visitor, at) => visitor.call(cluster.member((at + round) % PROCESSES))),
  );
  const responses = await Promise.all(calls.flat());
  return countOccurrences(responses.map(({ status }) => status));
}

describe('four processes with a provider that allows each refresh token one use', () => {
  it('refresh an expired token once for 200 concurrent requests and send all of them with the new token', async () => {
    const [visitor] = await cluster.signInWithTokensOver(['alice'] as const);
    expect(await callAtOnce([visitor], 200)).toEqual({ 200: 200 });
    expect(refreshes()).toBe(1);

    const [, refreshed] = cluster.provider.families[0]?.accessTokens ?? [];
    const bearers = cluster.upstream.requests.map(({ bearer }) => bearer);
    expect(countOccurrences(bearers.map((bearer) => bearer ?? 'none'))).toEqual({
      [refreshed?.token ?? '']: 200,
    });
  });

  it('refresh 500 tokens that expire in the same second within the limit on concurrent refreshes', async () => {
    const visitors = await cluster.signInWithTokensOver(visitorNames(500));
    const before = refreshes();
    // Slow calls would all run at once without a limit.
    cluster.provider.faults.delayMs('token', 20);
    expect(await callAtOnce(visitors, 2)).toEqual({ 200: 1_000 });
    cluster.provider.faults.delayMs('token', 0);

    expect(refreshes() - before).toBe(500);
    expect(cluster.provider.maxConcurrentTokenCalls).toBeGreaterThan(AT_ONCE);
    expect(cluster.provider.maxConcurrentTokenCalls).toBeLessThanOrEqual(PROCESSES * AT_ONCE);
  });

  it('let no request wait for the refresh while its token is close to expiry', async () => {
    cluster.provider.accessTokenLifetime = 10;
    const [visitor] = await cluster.signIn(['bob'] as const);
    await sleep(1_500);
    const before = refreshes();
    const gate = cluster.provider.faults.hold('token');
    expect(await callAtOnce([visitor], 40)).toEqual({ 200: 40 });
    await gate.waiting();
    expect(refreshes() - before).toBe(1);
    gate.release();

    await vi.waitFor(() => expect(cluster.provider.families.at(-1)?.accessTokens).toHaveLength(2), {
      timeout: 20_000,
    });
  });

  it('present no refresh token twice, lose no session and mix up no tokens', () => {
    const { repeated, lost, mixUps } = balance(cluster);
    expect({ repeated, lost, mixUps }).toEqual({ repeated: [], lost: [], mixUps: [] });
  });
});
