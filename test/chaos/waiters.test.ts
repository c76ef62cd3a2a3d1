import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { type GatewayCluster, openGatewayCluster, visitorNames } from '../../testkit/gateway/cluster.ts';
import { startEndpointServer } from '../../testkit/providers/endpoint-server.ts';
import { balance, printFigures } from '../../testkit/secrets/token-ledger.ts';
import { expectBalancedLedger, holdRefreshes, PATIENCE, statuses, UNHURRIED } from './support/refreshes.ts';

const VISITORS = 20;

let cluster: GatewayCluster;

afterEach(async ({ task }) => {
  printFigures(task.name, cluster);
  await cluster.close();
});

/** A token endpoint that asks for a pause as long as a circuit breaker grants it. */
const LIMITED = { 'POST /token': () => ({ status: 429, headers: { 'retry-after': '30' } }) };

it('a process whose circuit breaker is open hands the lock on to the waiters of another process, which refresh', async () => {
  cluster = await openGatewayCluster({ size: 1, ...UNHURRIED });
  const visitors = await cluster.signInWithTokensOver(visitorNames(VISITORS));
  const endpoint = await startEndpointServer(Date.now, () => LIMITED);
  onTestFinished(() => endpoint.stop());
  const paused = await cluster.add({ provider: { endpoints: { token: `${endpoint.url}/token` } } });
  const isOpen = async () => {
    const metrics = await (await fetch(`${paused.program.adminUrl}/metrics`)).text();
    return /^coatcheck_breaker_open\{[^}]*token_endpoint[^}]*\} 1$/m.test(metrics);
  };
  expect(await visitors[0]?.call(paused)).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(await isOpen()).toBe(true);

  // Both processes want the lock of each session; each response of the paused one takes the lock in between.
  const atPaused = visitors.map((visitor) => visitor.call(paused));
  expect(await statuses(visitors, cluster.member(0))).toEqual({ 200: VISITORS });
  for (const { status } of await Promise.all(atPaused)) expect([200, 503]).toContain(status);
  expect(endpoint.requests).toHaveLength(1);
  expect(await statuses(visitors, paused)).toEqual({ 200: VISITORS });
  expect(balance(cluster).spent).toBe(VISITORS);
  expectBalancedLedger(cluster);
});

it('a request whose refresh was in progress in a killed process gets a 503 while the lock of that process lasts', async () => {
  cluster = await openGatewayCluster({ size: 2, lockTtlMs: 30_000, refresh: { timeout: '1s' } });
  const [alice] = await cluster.signInWithTokensOver(['alice'] as const);
  await holdRefreshes(cluster, [alice], cluster.member(0));
  const [lock] = await cluster.locks();
  const owner = await cluster.redis.command('GET', lock?.key ?? '');
  await cluster.kill(cluster.member(0));

  const response = await alice.call(cluster.member(0));
  // The wait ends by refresh.timeout: the lock still has most of its lifetime.
  expect(await cluster.redis.command('GET', lock?.key ?? '')).toBe(owner);
  expect(response).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(response.headers['retry-after']).toMatch(/^[1-9]\d*$/);
  expect(response.headers['set-cookie']).toBeUndefined();
  await vi.waitFor(() => expect(cluster.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1), PATIENCE);
});
