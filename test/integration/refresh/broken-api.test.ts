import { beforeEach, describe, expect, it } from 'vitest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { echo, status } from '../../../testkit/upstream/behaviours.ts';
import type { AgentRequest, UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** How many sessions in a row may get a refreshed token rejected. */
const REFUSALS_UNTIL_OPEN = 10;
const SESSIONS = 30;
const INVALID_TOKEN = { 'www-authenticate': 'Bearer error="invalid_token"' };

let testGateway: TestGateway;
let agents: UserAgent[];

beforeEach(async () => {
  testGateway = await openTestGatewayForTest({ routes: [{ path: '/api' }, { path: '/other' }] });
  testGateway.stopClock();
  agents = Array.from({ length: SESSIONS }, () => testGateway.browser());
  for (const [at, agent] of agents.entries()) await agent.signIn('/', { loginHint: `user-${at}` });
});

const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
const callAll = async (path: string, init: AgentRequest = {}) =>
  (await Promise.all(agents.map((agent) => agent.fetch(path, init)))).map((response) => response.status);
/** A request that is too large to be sent again. */
const upload = () => ({ method: 'POST', body: Buffer.alloc(100_000, 'x') });

describe('an API that rejects every token (standards: G8)', () => {
  beforeEach(() => testGateway.upstream.respond(status(401, INVALID_TOKEN)));

  it('causes few refreshes in all, however many sessions call it at once', async () => {
    for (let round = 0; round < 3; round += 1)
      expect(new Set(await callAll('/api/one'))).toEqual(new Set([401]));
    expect(refreshes()).toBe(REFUSALS_UNTIL_OPEN);
    expect(testGateway.gateway.logs()).toMatch(/"route":"\/api","msg":"the API rejects refreshed tokens/);
  });

  it('causes few refreshes in all by requests that are too large to be sent again', async () => {
    for (let round = 0; round < 3; round += 1)
      expect(new Set(await callAll('/api/one', upload()))).toEqual(new Set([401]));
    expect(refreshes()).toBe(REFUSALS_UNTIL_OPEN);
    for (let trials = 1; trials <= 3; trials += 1) {
      testGateway.advance(30_000);
      await callAll('/api/one', upload());
      expect(refreshes()).toBe(REFUSALS_UNTIL_OPEN + trials);
    }
  });

  it('causes one refresh a session by requests that are too large to be sent again, and by others of the session', async () => {
    const [agent] = agents;
    for (let round = 0; round < 5; round += 1) {
      expect((await agent?.fetch('/api/one', upload()))?.status).toBe(401);
      expect((await agent?.fetch('/api/one'))?.status).toBe(401);
    }
    expect(refreshes()).toBe(1);
  });

  it('gets one more refresh as a trial after each pause', async () => {
    await callAll('/api/one');
    for (let trials = 1; trials <= 4; trials += 1) {
      testGateway.advance(30_000);
      await callAll('/api/one');
      expect(refreshes()).toBe(REFUSALS_UNTIL_OPEN + trials);
      testGateway.advance(1_000);
      await callAll('/api/one');
      expect(refreshes()).toBe(REFUSALS_UNTIL_OPEN + trials);
    }
  });

  it('does not hinder the refreshes of another route', async () => {
    await callAll('/api/one');
    const before = refreshes();
    const [agent] = agents.toReversed();
    await agent?.fetch('/other/one');
    expect(refreshes()).toBe(before + 1);
  });

  it('gets refreshed tokens from all sessions again once it accepts one', async () => {
    await callAll('/api/one');
    testGateway.advance(30_000);
    const stale = new Set(testGateway.provider.families.map(({ accessTokens }) => accessTokens[0]?.token));
    testGateway.upstream.respond((request, response, record) =>
      stale.has(record.bearer)
        ? status(401, INVALID_TOKEN)(request, response, record)
        : echo(request, response, record),
    );
    for (const agent of agents) expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(SESSIONS);
    expect(testGateway.gateway.logs()).toMatch(
      /"route":"\/api","msg":"the API accepts refreshed tokens again"/,
    );
  });
});

it('an API that rejects the token of every session once gets a refreshed one from each, at once (standards: G8)', async () => {
  for (const { accessTokens } of testGateway.provider.families)
    testGateway.provider.revokeAccessToken(accessTokens.at(-1)?.token ?? '');
  expect(await callAll('/api/one')).toEqual(Array(SESSIONS).fill(200));
  expect(refreshes()).toBe(SESSIONS);
});

it('an API that rejects the token of every session once gets a refreshed one from each, also by requests too large to be sent again', async () => {
  for (const { accessTokens } of testGateway.provider.families)
    testGateway.provider.revokeAccessToken(accessTokens.at(-1)?.token ?? '');
  for (const agent of agents) {
    expect((await agent.fetch('/api/one', upload())).status).toBe(401);
    expect((await agent.fetch('/api/one', upload())).status).toBe(200);
  }
  expect(refreshes()).toBe(SESSIONS);
  expect(testGateway.gateway.logs()).not.toContain('the API rejects refreshed tokens');
});

it('one session whose tokens an API always rejects does not stop the refreshes of others', async () => {
  const [rejected, ...others] = agents;
  const own = new Set(testGateway.provider.families[0]?.accessTokens.map(({ token }) => token));
  testGateway.upstream.respond(status(401, INVALID_TOKEN));
  for (let round = 0; round < REFUSALS_UNTIL_OPEN * 2; round += 1) await rejected?.fetch('/api/one');
  const before = refreshes();
  expect(own.size).toBe(1);
  await others[0]?.fetch('/api/one');
  expect(refreshes()).toBe(before + 1);
});
