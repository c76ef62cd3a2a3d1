import { afterEach, expect, it, vi } from 'vitest';
import {
  type GatewayCluster,
  type Visitor,
  openGatewayCluster,
  visitorNames,
} from '../../testkit/gateway/cluster.ts';
import { merged } from '../../testkit/gateway/gateway-config.ts';
import { countOccurrences } from '../../testkit/secrets/count-occurrences.ts';
import { startDex } from '../../testkit/providers/named/dex.ts';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  expectBalancedLedger,
  PATIENCE,
  revokeAccessTokens,
  statuses,
  UNHURRIED,
} from './support/refreshes.ts';

const UNVERIFIED = 'cannot verify a refreshed ID token; using the new tokens, keeping the claims';
const PEOPLE = 8;

let cluster: GatewayCluster;

afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

/** Makes every session refresh, at one process and then at the other, and expects that all visitors are served at once. */
async function expectRefreshed(visitors: readonly Visitor[]) {
  for (const member of cluster.members) {
    revokeAccessTokens(cluster);
    const { spent } = balance(cluster);
    expect(await statuses(visitors, member)).toEqual({ 200: visitors.length });
    expect(balance(cluster).spent - spent).toBe(visitors.length);
  }
}

it('keys rotated under a lagging JWKS spend each refresh token once and lose no session', async () => {
  cluster = await openGatewayCluster({ size: 2, ...UNHURRIED });
  const { provider } = cluster;
  const visitors = await cluster.signIn(visitorNames(PEOPLE));

  // A new key signs, and the JWKS has only the old one.
  const published = await (await fetch(String(provider.metadata['jwks_uri']))).json();
  provider.faults.jwks = { status: 200, body: published as Record<string, unknown> };
  await provider.swapKeys();
  await expectRefreshed(visitors);
  for (const { program } of cluster.members)
    await program.waitForOutput((text) => text.includes(UNVERIFIED) || undefined);
  // Another new key signs under the id of the published one.
  delete provider.faults.jwks;
  provider.signWith('other-key');
  await expectRefreshed(visitors);
  // The JWKS has the key.
  provider.signWith('RS256');
  await expectRefreshed(visitors);

  const newcomers = await vi.waitFor(() => cluster.signIn(['newcomer-1', 'newcomer-2']), PATIENCE);
  await expectRefreshed([...visitors, ...newcomers]);
  expectBalancedLedger(cluster);
});

/** Signs users in with the ready configuration for Dex and these changes; Dex then deletes the refresh tokens of some users. */
async function openWithDex(provider: Record<string, unknown> = {}) {
  cluster = await openGatewayCluster({
    size: 2,
    ...UNHURRIED,
    openProvider: () => startDex(),
    config: merged(UNHURRIED.config, { provider }),
  });
  const names = [...visitorNames(PEOPLE), ...visitorNames(3, 'deleted')];
  const visitors = await cluster.signInWithTokensOver(names);
  const [others, deleted] = [visitors.slice(0, PEOPLE), visitors.slice(PEOPLE)];
  for (const { name } of deleted) cluster.provider.invalidateSession({ user: name });
  return { others, deleted };
}

/** Lets the deleted users poll at both processes, more often than a breaker tolerates failures, and returns their responses. */
async function poll(deleted: readonly Visitor[]) {
  const codes: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const calls = cluster.members.flatMap((member) => deleted.map((visitor) => visitor.call(member)));
    codes.push(...(await Promise.all(calls)).map(({ status, code }) => `${status} ${code}`));
  }
  return countOccurrences(codes);
}

it('a provider that answers like Dex ends the sessions whose refresh tokens it has deleted, and no other', async () => {
  const { others, deleted } = await openWithDex();

  expect(await poll(deleted)).toEqual({ '401 session_expired': 5 * 2 * deleted.length });
  await expectRefreshed(others);
  expect(balance(cluster).endedByProvider.toSorted()).toEqual(deleted.map(({ name }) => name));
  expectBalancedLedger(cluster);
});

it('a provider that answers like Dex to a gateway without rejectionErrors stops the refreshes of no other session', async () => {
  const { others, deleted } = await openWithDex({ rejectionErrors: ['invalid_grant'] });

  expect(await poll(deleted)).toEqual({ '503 provider_unavailable': 5 * 2 * deleted.length });
  await expectRefreshed(others);
  expect(balance(cluster).endedByProvider.toSorted()).toEqual(deleted.map(({ name }) => name));
  expectBalancedLedger(cluster);
});
