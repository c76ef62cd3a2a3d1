import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Program } from '../../testkit/processes/program.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

let fixture: Fixture;
let first: Program;
let second: Program;

beforeEach(async () => {
  fixture = await openFixture();
  first = await fixture.start();
  second = await fixture.start({ replicaOf: first });
});

afterEach(() => fixture.close());

it('two processes share a sign-in and end its session on both at once', async () => {
  const agent = await fixture.signedIn(first);
  const elsewhere = fixture.browser(second, { like: agent });
  expect((await elsewhere.fetch('/api/one')).status).toBe(200);
  const socket = await elsewhere.websocket('/socket/live');

  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  // The message that closes the socket also clears the cache, so no lifetime has to pass.
  expect(await socket.closed).toMatchObject({ code: 1008 });
  const response = await elsewhere.fetch('/api/two');
  expect(response.status).toBe(401);
  expect(response.json()).toMatchObject({ code: 'session_expired' });
  expect(fixture.upstream.requests.map(({ target }) => target)).toEqual(['/api/one']);
});

it('two processes refresh an expired token once for a hundred concurrent requests', async () => {
  const { provider } = fixture;
  provider.accessTokenLifetime = 1;
  const agent = await fixture.signedIn(first);
  const elsewhere = fixture.browser(second, { like: agent });
  provider.accessTokenLifetime = 300;
  const [expiring] = provider.families[0]?.accessTokens ?? [];
  await expect
    .poll(() => provider.isAccessTokenActive(expiring?.token ?? ''), { timeout: 20_000 })
    .toBe(false);

  const agents = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? agent : elsewhere));
  const responses = await Promise.all(agents.map((each, index) => each.fetch(`/api/${index}`)));
  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
  expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  expect(provider.tokenLedger().map(({ presented, spent }) => [presented, spent])).toEqual([
    [1, 1],
    [0, 0],
  ]);
});

it('two processes that race for the token of a route make one token call', async () => {
  const { provider, upstream } = fixture;
  const routes = [{ path: '/machine', upstream: upstream.url, auth: 'optional', token: 'client' }];
  const racers = await Promise.all(
    Array.from({ length: 2 }, () => fixture.start({ replicaOf: first, config: { routes } })),
  );
  provider.faults.delayMs('token', 200);
  const agents = racers.flatMap((at) => Array.from({ length: 10 }, () => fixture.browser(at)));
  const callAll = () => Promise.all(agents.map((agent, at) => agent.fetch(`/machine/${at}`)));

  const responses = await callAll();
  expect(responses.map((response) => response.status)).toEqual(responses.map(() => 200));
  expect(provider.tokenCalls({ grant: 'client_credentials' })).toBe(1);

  const [token] = provider.families[0]?.accessTokens ?? [];
  provider.revokeAccessToken(token?.token ?? '');
  const replayed = await callAll();
  expect(replayed.map((response) => response.status)).toEqual(replayed.map(() => 200));
  expect(provider.tokenCalls({ grant: 'client_credentials' })).toBe(2);
});
