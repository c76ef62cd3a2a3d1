import { afterEach, expect, it, vi } from 'vitest';
import { type GatewayCluster, openGatewayCluster } from '../../testkit/gateway/cluster.ts';
import { printFigures } from '../../testkit/secrets/token-ledger.ts';
import { PATIENCE, UNHURRIED } from './support/refreshes.ts';

let cluster: GatewayCluster;

afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

it('a token endpoint that responds 504 gets each refresh token twice from all processes, killed and new ones included', async () => {
  cluster = await openGatewayCluster({ size: 2, ...UNHURRIED });
  const [alice] = await cluster.signInWithTokensOver(['alice'] as const);
  const [family] = cluster.provider.families;
  const first = family?.refreshTokens[0]?.token;
  const sendings = () =>
    cluster.provider.requests.filter(({ form }) => form?.['refresh_token'] === first).length;
  const expectUnavailable = async () => {
    for (const member of cluster.members)
      expect(await alice.call(member)).toMatchObject({ status: 503, code: 'provider_unavailable' });
  };

  cluster.provider.faults.token = { status: 504 };
  await expectUnavailable();
  expect(sendings()).toBe(2);
  await cluster.kill(cluster.member(0));
  await cluster.add();
  for (let round = 0; round < 3; round += 1) await expectUnavailable();
  expect(sendings()).toBe(2);

  cluster.provider.faults.clear();
  await vi.waitFor(async () => {
    for (const member of cluster.members) expect(await alice.call(member)).toMatchObject({ status: 200 });
  }, PATIENCE);
  expect(sendings()).toBe(3);
  expect(family).toMatchObject({ alive: true, reuses: 0 });
});
