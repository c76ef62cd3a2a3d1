import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { balance, summaryOf } from '../../testkit/token-ledger.ts';
import { type GatewayCluster, type Visitor, openFleet, visitorNames } from '../../testkit/cluster.ts';
import { tallyOf } from '../../testkit/tally.ts';

/** Calls of the token endpoint that one process may have under way at once. */
const AT_ONCE = 8;
const PROCESSES = 4;

/** The usual times: here everybody waits, and nobody too long. */
const DEPLOYED = { timeout: '10s', maxConcurrent: AT_ONCE, ahead: '90%' };

let fleet: GatewayCluster;

beforeAll(async () => {
  fleet = await openFleet({ size: PROCESSES, lockTtlMs: 30_000, refresh: DEPLOYED });
});
afterAll(async () => {
  console.log('expiry:', summaryOf(fleet));
  await fleet.close();
});

const refreshes = () => fleet.provider.tokenCalls({ grant: 'refresh_token' });

/** Calls once for each visitor and round, all at once, going round the processes. */
async function callAtOnce(visitors: readonly Visitor[], rounds: number) {
  const calls = Array.from({ length: rounds }, (_, round) =>
    visitors.map((visitor, at) => visitor.call(fleet.member((at + round) % PROCESSES))),
  );
  const answers = await Promise.all(calls.flat());
  return tallyOf(answers.map(({ status }) => status));
}

describe('four processes with a provider that allows each refresh token one use', () => {
  it('refresh an expired token once for 200 concurrent requests and send all of them with the new token', async () => {
    const [visitor] = await fleet.signInWithTokensOver(['alice'] as const);
    expect(await callAtOnce([visitor], 200)).toEqual({ 200: 200 });
    expect(refreshes()).toBe(1);

    const [, renewed] = fleet.provider.families[0]?.accessTokens ?? [];
    const bearers = fleet.upstream.requests.map(({ bearer }) => bearer);
    expect(tallyOf(bearers.map((bearer) => bearer ?? 'none'))).toEqual({ [renewed?.token ?? '']: 200 });
  });

  it('refresh 500 tokens that expire in the same second within the limit on concurrent refreshes', async () => {
    const visitors = await fleet.signInWithTokensOver(visitorNames(500));
    const before = refreshes();
    // Calls that take a while would all be under way at once if nobody held them back.
    fleet.provider.faults.delayMs('token', 20);
    expect(await callAtOnce(visitors, 2)).toEqual({ 200: 1_000 });
    fleet.provider.faults.delayMs('token', 0);

    expect(refreshes() - before).toBe(500);
    expect(fleet.provider.maxConcurrentTokenCalls).toBeGreaterThan(AT_ONCE);
    expect(fleet.provider.maxConcurrentTokenCalls).toBeLessThanOrEqual(PROCESSES * AT_ONCE);
  });

  it('let no request wait for the refresh while its token is close to expiry', async () => {
    fleet.provider.accessTokenLifetime = 10;
    const [visitor] = await fleet.signIn(['bob'] as const);
    await sleep(1_500);
    const before = refreshes();
    const gate = fleet.provider.faults.hold('token');
    expect(await callAtOnce([visitor], 40)).toEqual({ 200: 40 });
    await gate.waiting();
    expect(refreshes() - before).toBe(1);
    gate.release();

    await vi.waitFor(() => expect(fleet.provider.families.at(-1)?.accessTokens).toHaveLength(2));
  });

  it('present no refresh token twice, lose no session and mix up no tokens', () => {
    const { repeated, lost, mixUps } = balance(fleet);
    expect({ repeated, lost, mixUps }).toEqual({ repeated: [], lost: [], mixUps: [] });
  });
});
