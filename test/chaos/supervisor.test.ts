import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type GatewayCluster, openGatewayCluster, visitorNames } from '../../testkit/gateway/cluster.ts';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import {
  expectBalancedLedger,
  holdRefreshes,
  PATIENCE,
  revokeAccessTokens,
  statuses,
  UNHURRIED,
} from './support/refreshes.ts';

let cluster: GatewayCluster;

beforeEach(async () => {
  cluster = await openGatewayCluster({
    size: 1,
    ...UNHURRIED,
    config: { ...UNHURRIED.config, workers: 3 },
  });
});
afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

it('a supervisor killed during refreshes leaves workers that store each new refresh token before they end', async () => {
  const visitors = await cluster.signInWithTokensOver(visitorNames(12));
  const supervisor = cluster.member(0);
  const refreshes = await holdRefreshes(cluster, visitors, supervisor);
  const workersEnded = cluster.killSupervisor(supervisor);
  await vi.waitFor(() => expect(() => process.kill(supervisor.program.pid, 0)).toThrow('ESRCH'), PATIENCE);
  refreshes.release();
  await Promise.all(refreshes.waiting);
  await workersEnded;
  expect(await cluster.locks()).toEqual([]);

  const successor = await cluster.add();
  expect(await statuses(visitors, successor)).toEqual({ 200: visitors.length });
  expect(balance(cluster).spent).toBe(visitors.length);
  revokeAccessTokens(cluster);
  expect(await statuses(visitors, successor)).toEqual({ 200: visitors.length });
  expect(balance(cluster).spent).toBe(2 * visitors.length);
  expectBalancedLedger(cluster);
});
