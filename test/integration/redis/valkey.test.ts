import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkStore } from '../../../src/check/store.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { type RedisSentinel, startRedisSentinel } from '../../../testkit/redis/redis-sentinel.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { minimal } from '../../unit/config/sample.ts';
import { describeDeploymentContract } from './deployment-contract.ts';
import { describeGatewayContract } from './gateway-contract.ts';

/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 50 };
const ADMIN_TOKEN = 'canary-admin-token-of-the-valkey-tests';

let valkey: RedisServer;

// The servers and Sentinels of this file are Valkey, with the documented rights of a Redis user.
beforeAll(async () => {
  vi.stubEnv('REDIS_SERVER', process.env['VALKEY_SERVER'] ?? '/usr/bin/valkey-server');
  valkey = await startRedis();
});
afterAll(async () => {
  await valkey.close();
  vi.unstubAllEnvs();
});

describeDeploymentContract('Valkey', () => ({
  url: valkey.url,
  flush: () => valkey.command('FLUSHALL'),
}));

describe('Valkey', () => {
  it('passes --check with its own name and version, and every right', async () => {
    const session = { ...minimal.session, store: valkey.url };
    const results = await checkStore(parseConfig({ ...minimal, session }));
    expect(results).toContainEqual({
      name: 'store',
      verdict: 'ok',
      detail: expect.stringMatching(/^Valkey \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+$/),
    });
    expect(results).toContainEqual(expect.objectContaining({ name: 'rights', verdict: 'ok' }));
  });

  it('ends every session at once when an operator revokes all', async () => {
    const testGateway = await openTestGateway({
      store: valkey.url,
      config: { admin: { token: ADMIN_TOKEN } },
    });
    onTestFinished(() => testGateway.close());
    const { agent, gateway, provider } = testGateway;
    await agent.signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    const response = await fetch(`${gateway.adminUrl}/sessions/revoke-all`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(response.status).toBe(200);
    await vi.waitFor(async () => expect((await agent.fetch('/api/one')).status).toBe(401), POLLING);
    await vi.waitFor(() => expect(provider.families).toMatchObject([{ endedBecause: 'revoked' }]), POLLING);
  });
});

describe('Valkey with Sentinel', () => {
  let sentinel: RedisSentinel;

  beforeAll(async () => {
    sentinel = await startRedisSentinel();
  });
  afterAll(() => sentinel.close());

  afterEach(() => sentinel.flush());

  describeGatewayContract(() => sentinel.url);

  it('keeps a session through a planned failover', async () => {
    const testGateway = await openTestGateway({ store: sentinel.url });
    onTestFinished(() => testGateway.close());
    const { agent } = testGateway;
    await agent.signIn();
    const former = await sentinel.replicated();
    await sentinel.failOver();
    await vi.waitFor(async () => expect((await sentinel.primary()).port).not.toBe(former.port), POLLING);
    await vi.waitFor(async () => expect((await agent.fetch('/api/one')).status).toBe(200), POLLING);
  });
});
