import { expect, vi } from 'vitest';
import type { ClusterOnStore, ClusterOptions, Member, Visitor } from '../../../testkit/gateway/cluster.ts';
import { balance } from '../../../testkit/secrets/token-ledger.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';

/** How long to poll for an outcome, in milliseconds. */
export const PATIENCE = { timeout: 60_000, interval: 50 };

/** Options of a cluster in which no request fails because the machine is slow. */
export const UNHURRIED = {
  lockTtlMs: 30_000,
  refresh: { timeout: '10s' },
  config: { provider: { timeout: '10s' } },
} satisfies Omit<ClusterOptions, 'size'>;

/** Calls the API once for each visitor, all at once. */
export async function statuses(visitors: readonly Visitor[], at: Member): Promise<Record<string, number>> {
  const responses = await Promise.all(visitors.map((visitor) => visitor.call(at)));
  return countOccurrences(responses.map(({ status }) => status));
}

/** Resolves once a process serves all visitors. */
export async function allServed(visitors: readonly Visitor[], at: Member): Promise<void> {
  await vi.waitFor(
    async () => expect(await statuses(visitors, at)).toEqual({ 200: visitors.length }),
    PATIENCE,
  );
}

/** Holds the refreshes of all visitors at the provider, which has rotated the tokens; `release` lets it respond. */
export async function holdRefreshes({ provider }: ClusterOnStore, visitors: readonly Visitor[], at: Member) {
  const refreshes = () => provider.tokenCalls({ grant: 'refresh_token' });
  const gate = provider.faults.hold('token', 'after');
  const before = refreshes();
  const waiting = visitors.map((visitor) => visitor.call(at));
  await vi.waitFor(() => expect(refreshes() - before).toBe(visitors.length), PATIENCE);
  return { waiting, release: () => gate.release() };
}

/** Makes the API reject every access token issued so far, so that each session needs another refresh. */
export function revokeAccessTokens({ provider }: ClusterOnStore): void {
  for (const { token } of provider.families.flatMap(({ accessTokens }) => accessTokens))
    provider.revokeAccessToken(token);
}

/** Expects that every refresh token was sent once at most, that no session was lost, and that nobody got another's token. */
export function expectBalancedLedger(cluster: ClusterOnStore): void {
  const { repeated, lost, mixUps, spent } = balance(cluster);
  expect(repeated.map(({ token }) => token)).toEqual([]);
  expect(lost).toEqual([]);
  expect(mixUps).toEqual([]);
  expect(spent).toBeGreaterThan(0);
}
