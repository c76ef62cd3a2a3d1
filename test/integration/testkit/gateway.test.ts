import { afterEach, beforeEach, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

let provider: FakeProvider;
let upstream: Upstream;
let redis: RedisServer;
let gateway: RunningGateway;
let agent: UserAgent;

beforeEach(async () => {
  [provider, upstream, redis] = await Promise.all([startFakeProvider(), startUpstream(), startRedis()]);
  upstream.respond(requireToken(provider.isAccessTokenActive));
  gateway = await startGateway({ provider, upstream, store: redis.url });
  agent = createUserAgent(gateway.url);
});

afterEach(async () => {
  agent.close();
  await gateway.close();
  await Promise.all([provider.close(), upstream.close(), redis.close()]);
});

it('the test gateway serves a user from sign-in through a call and a refresh', async () => {
  await agent.signIn('/');
  expect((await agent.fetch('/api/one')).status).toBe(200);
  const [token = ''] = upstream.requests.map(({ bearer }) => bearer);
  expect(provider.isAccessTokenActive(token)).toBe(true);

  provider.revokeAccessToken(token);
  expect((await agent.fetch('/api/two')).status).toBe(200);
  expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  expect(provider.tokenLedger().map(({ presented, spent }) => [presented, spent])).toEqual([
    [1, 1],
    [0, 0],
  ]);
});

it('the test gateway serves a session of another replica with the same base URL', async () => {
  const other = await startGateway({ provider, upstream, store: redis.url, baseUrl: gateway.url });
  await agent.signIn('/');
  const elsewhere = createUserAgent(gateway.url, { connect: { host: '127.0.0.1', port: other.port } });
  for (const { line } of agent.cookies.lines) elsewhere.setCookie(line);
  expect((await elsewhere.fetch('/api/one')).status).toBe(200);
  elsewhere.close();
  await other.close();
});

it('the test gateway exposes received bytes, logs and the Redis dump for secret checks', async () => {
  await agent.signIn('/');
  await agent.fetch('/api/one');
  const tokens = provider.secrets(['access_token', 'refresh_token', 'client_secret']);
  const visible = [agent.received(gateway.url), gateway.logs(), await redis.dump()].join('\n');
  expect(tokens.filter((token) => visible.includes(token))).toEqual([]);
  for (const sign of ['"method":"GET"', 'session started', 'coatcheck:session:'])
    expect(visible).toContain(sign);
  expect(gateway.logs()).toContain('"requestId"');
});

it('the test gateway relays a WebSocket and serves the admin listener', async () => {
  await agent.signIn('/');
  const socket = await agent.websocket('/socket/live');
  socket.send('hello');
  expect(await socket.next()).toBe('hello');
  const ready = await fetch(`${gateway.adminUrl}/readyz`);
  expect(ready.status).toBe(200);
});
