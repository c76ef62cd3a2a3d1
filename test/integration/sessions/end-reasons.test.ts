import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EndReason } from '../../../src/sessions/end-reason.ts';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { openTestGatewayForEachTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { logoutToken, postLogoutToken } from '../../../testkit/secrets/logout-token.ts';

const POLLING = { timeout: 20_000, interval: 20 };
const SECOND = 1_000;
const HOUR = 3_600_000;
/** The lifetime of the access tokens: less than a session stays in the read cache. */
const LIFE = 2 * SECOND;
const OTHER_SECRET = 'canary-session-secret-Hd5wNc8XqJ4vPz7T';
const ADMIN_TOKEN = 'canary-admin-token-Xq7mVt2RkLp9WzN4Hb6c';

let redis: RedisServer;
let testGateway: TestGateway;
let client: Redis;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened), {
  config: { admin: { token: ADMIN_TOKEN }, session: { maxPerUser: 2 } },
});
beforeEach(() => {
  client = new Redis(redis.rootUrl);
});
afterEach(() => client.disconnect());

const call = () => testGateway.agent.fetch('/api/one');
/** Lets the access token expire while the session is in the read cache, so that only the refresh reads the record. */
const callWithExpiredToken = async () => {
  await call();
  testGateway.advance(LIFE);
  return call();
};
const records = () => client.keys('coatcheck:session:*');
const remove = async () => client.del(await records());
const damage = async () => {
  for (const name of await records()) await client.hset(name, 'e', 'damaged');
};
const restrictTo = (member: string, seconds: number) => {
  testGateway.provider.patchTokenResponse = (json) => ({ ...json, [member]: seconds });
};
const admin = (path: string, method: string) =>
  fetch(`${testGateway.gateway.adminUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
const sessionId = async () =>
  ((await testGateway.agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;
const sid = () => testGateway.provider.families[0]?.grant.sid ?? '';

type Reason = EndReason | 'not_found';
/** How a session that has just begun comes to its end. `before` comes before the sign-in. */
type Ending = { readonly before?: () => void; readonly end: () => Promise<unknown> };

/** Every reason has a row: the type says so. */
const endings: Record<Reason, Record<string, Ending>> = {
  logout: { 'at a sign-out': { end: () => testGateway.agent.fetch('/auth/logout', { method: 'POST' }) } },
  ended_elsewhere: {
    'from another browser': {
      async end() {
        const other = testGateway.browser();
        const id = await sessionId();
        await other.signIn();
        await other.fetch(`/auth/sessions/${id}`, { method: 'DELETE' });
      },
    },
  },
  backchannel_logout: {
    'at a logout token': {
      async end() {
        const { provider, agent } = testGateway;
        await postLogoutToken(agent, await logoutToken(provider, { sid: sid() }));
      },
    },
  },
  frontchannel_logout: {
    'in a frame of the provider': {
      end: () =>
        testGateway
          .browser()
          .get(
            `/auth/frontchannel-logout?${new URLSearchParams({ iss: testGateway.provider.issuer, sid: sid() })}`,
          ),
    },
  },
  replaced: { 'at a new sign-in': { end: () => testGateway.agent.signIn() } },
  limit: {
    'when newer sessions fill the limit': {
      async end() {
        for (const newer of [testGateway.browser(), testGateway.browser()]) await newer.signIn();
      },
    },
  },
  expired: {
    'at the idle limit': {
      async end() {
        testGateway.advance(HOUR);
        await call();
      },
    },
    'with the access token, without a refresh token': {
      before: () => restrictTo('refresh_token', 0),
      end: callWithExpiredToken,
    },
  },
  expired_at_provider: {
    'with the refresh token': {
      before: () => restrictTo('refresh_expires_in', 60),
      async end() {
        testGateway.advance(60 * SECOND);
        await call();
      },
    },
    'at session_expiry': {
      before() {
        const endsAt = Math.floor(testGateway.now() / SECOND) + 60;
        testGateway.provider.patchIdToken = (claims) => ({ ...claims, session_expiry: endsAt });
      },
      async end() {
        testGateway.advance(60 * SECOND);
        await call();
      },
    },
  },
  unreadable: {
    'without a message, found by a request': {
      async end() {
        await damage();
        testGateway.advance(6 * SECOND);
        await call();
      },
    },
    'without a message, found by a refresh': {
      async end() {
        await call();
        await damage();
        await callWithExpiredToken();
      },
    },
  },
  refresh_rejected: {
    'at a refresh': {
      async end() {
        testGateway.provider.invalidateSession({ user: 'alice' });
        await callWithExpiredToken();
      },
    },
  },
  identity_changed: {
    'at a refresh': {
      async end() {
        testGateway.provider.patchIdToken = (claims) => ({ ...claims, sub: 'mallory' });
        await callWithExpiredToken();
      },
    },
  },
  issuer_changed: {
    'after a reload': {
      async end() {
        const other = await startFakeProvider();
        await testGateway.gateway.reload({ provider: other.register(testGateway.gateway.url) });
        await call();
        await other.close();
      },
    },
  },
  secret_removed: {
    'after a reload': {
      end: () => testGateway.gateway.reload({ session: { secrets: [OTHER_SECRET] } }),
    },
  },
  admin: {
    'by its id': { end: async () => admin(`/sessions?sessionId=${await sessionId()}`, 'DELETE') },
    'with all others': {
      async end() {
        await admin('/sessions/revoke-all', 'POST');
        await call();
      },
    },
  },
  not_found: {
    'without a message, found by a request': {
      async end() {
        await remove();
        testGateway.advance(6 * SECOND);
        await call();
      },
    },
    'without a message, found by a refresh': {
      async end() {
        await call();
        await remove();
        await callWithExpiredToken();
      },
    },
    'without a message, found by an extension': {
      async end() {
        await call();
        await remove();
        await testGateway.agent.fetch('/auth/session/extend', { method: 'POST' });
      },
    },
  },
};
const rows = Object.entries(endings).flatMap(([reason, ways]) =>
  Object.entries(ways).map(([way, ending]) => ({ reason, way, ending })),
);

it.each(rows)(
  'a session that ends $way has the reason $reason in the log and in the metrics',
  async (row) => {
    testGateway.provider.accessTokenLifetime = LIFE / SECOND;
    row.ending.before?.();
    await testGateway.agent.signIn();
    const key = await sessionId();
    await row.ending.end();
    await expect.poll(reasonsInLog, POLLING).toEqual([{ session: key, reason: row.reason }]);
    expect(await reasonsInMetrics()).toEqual([`reason="${row.reason}"} 1`]);
  },
);

function reasonsInLog(): unknown[] {
  const lines = testGateway.gateway.logs().trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ reason, audit }) => reason !== undefined && audit === undefined)
    .map(({ session, reason }) => ({ session, reason }));
}

async function reasonsInMetrics(): Promise<string[]> {
  const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
  return metrics.split('\n').flatMap((line) => line.split('coatcheck_sessions_ended_total{')[1] ?? []);
}
