import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkStore } from '../../../src/check/store.ts';
import { openClient, type RedisClient } from '../../../src/redis/client.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { createCertificateAuthority } from '../../../testkit/network/certificate-authority.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import { startRedisSentinel } from '../../../testkit/redis/redis-sentinel.ts';
import { GATEWAY_NAME, GATEWAY_PASSWORD, startRedis } from '../../../testkit/redis/redis-server.ts';

const user = { username: GATEWAY_NAME, password: GATEWAY_PASSWORD };

/** A gateway with a store and keys of `session`; gives the status of an API call after a sign-in. */
async function open(store: string, session: object) {
  const testGateway = await openTestGatewayForTest({
    store,
    config: { session: { cache: { maxAge: '0s' }, ...session } },
  });
  const use = async () => {
    await testGateway.agent.signIn('/');
    return (await testGateway.agent.fetch('/api/one')).status;
  };
  return { ...testGateway, use, check: () => checkStore(testGateway.gateway.config) };
}

async function startSecureRedis() {
  const authority = createCertificateAuthority();
  const { cert, key } = authority.issue('localhost', '127.0.0.1');
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-redis-tls-'));
  const fileOf = async (name: string, text: string) => {
    const file = join(directory, name);
    await writeFile(file, text);
    return file;
  };
  const port = await freePort();
  const options = {
    'tls-port': `${port}`,
    'tls-auth-clients': 'yes',
    'tls-cert-file': await fileOf('server.crt', cert),
    'tls-key-file': await fileOf('server.key', key),
    'tls-ca-cert-file': await fileOf('ca.crt', authority.certificate),
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const redis = await startRedis({ args });
  onTestFinished(async () => {
    await redis.close();
    await rm(directory, { recursive: true });
  });
  return { authority, store: `rediss://localhost:${port}/0` };
}

describe('the credentials of Redis', () => {
  it('may be beside session.store, as they are', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const password = 'canary-redis @:/%?#';
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, `>${password}`);
    const { use, check } = await open(`redis://127.0.0.1:${redis.port}`, {
      username: GATEWAY_NAME,
      password,
    });
    expect(await use()).toBe(200);
    expect((await check()).every(({ verdict }) => verdict !== 'failed')).toBe(true);
  });

  it('are not in the message about a wrong one', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const { check } = await open(`redis://127.0.0.1:${redis.port}`, { ...user, password: 'canary-wrong' });
    const [result] = await check();
    expect(result?.verdict).toBe('failed');
    expect(result?.detail).toMatch(/WRONGPASS/);
    expect(result?.detail).not.toContain('canary');
  });
});

describe('TLS to Redis', () => {
  it('uses the private CA and the client certificate of session.tls', async () => {
    const { authority, store } = await startSecureRedis();
    const { cert: certificate, key } = authority.issue();
    const { use } = await open(store, { ...user, tls: { ca: authority.certificate, certificate, key } });
    expect(await use()).toBe(200);
  });

  it('rejects a Redis of another authority', async () => {
    const { authority, store } = await startSecureRedis();
    const { cert: certificate, key } = authority.issue();
    const ca = createCertificateAuthority().certificate;
    const { check } = await open(store, { ...user, tls: { ca, certificate, key } });
    expect((await check())[0]).toMatchObject({ verdict: 'failed' });
  });

  // The alert arrives in a moment that differs between machines, so each client closes in another one. Vitest fails a run with an
  // uncaught error.
  it('survives the alert of a Redis whose certificate is rejected after the connection was closed', async () => {
    const { store: url } = await startSecureRedis();
    const clients: RedisClient[] = [];
    for (let ticks = 0; ticks < 40; ticks++) {
      const client = openClient({ kind: 'redis', url }, { tls: {} }).on('error', () => {});
      clients.push(client);
      for (let tick = 0; tick < ticks; tick++) await setImmediate();
      client.disconnect();
    }
    const isOpen = (client: RedisClient) =>
      'stream' in client && Reflect.get(client, 'stream')?.closed === false;
    await expect.poll(() => clients.some(isOpen)).toBe(false);
  });
});

it('signs in at Sentinels with their own password', async () => {
  const sentinelPassword = 'canary-sentinel-password';
  const redis = await startRedisSentinel({ sentinelPassword });
  onTestFinished(() => redis.close());
  const store = redis.url.replace(/\/\/.*@/, '//');
  const right = await open(store, { ...user, sentinelPassword });
  expect(await right.use()).toBe(200);
  await redis.failOver();
  await expect.poll(right.use).toBe(200);
  const wrong = await open(store, user);
  expect((await wrong.check())[0]).toMatchObject({ verdict: 'failed' });
});
