import { describe, expect, it } from 'vitest';
import {
  type BegunLogin,
  authorize,
  beginLogin,
  finishLogin,
  refreshUrlOf,
} from '../../../testkit/gateway/login-steps.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

const isSignedIn = async (agent: UserAgent) => (await agent.fetch('/api/one')).status === 200;
const sessions = async () => (await redis.command('KEYS', 'coatcheck:session:*')) as string[];
const revoked = () => testGateway.provider.families.map(({ endedBecause }) => endedBecause);

/** Begins a login by a link on another site: the browser does not send the session cookie (SameSite=Strict). */
async function beginFromElsewhere(): Promise<BegunLogin> {
  const others = testGateway.agent.cookies.all().filter(({ name }) => name !== 'coatcheck');
  const cookie = others.map(({ name, value }) => `${name}=${value}`).join('; ');
  const response = await testGateway.agent.get('/auth/login', { headers: { cookie } });
  return { response, authorizationUrl: new URL(response.header('location') ?? '') };
}

describe('sign-ins in one browser whose callback arrives without the session cookie', () => {
  it('the last to complete ends the sessions of the earlier ones in any order of start (standards: E2, E15)', async () => {
    const tabs = [
      await beginLogin(testGateway.agent),
      await beginLogin(testGateway.agent),
      await beginLogin(testGateway.agent),
    ];
    const former: UserAgent[] = [];
    for (const tab of [tabs[1], tabs[0], tabs[2]]) {
      if (tab === undefined) throw new Error('three were begun');
      expect((await finishLogin(testGateway.agent, tab)).status).toBe(303);
      for (const browser of former) expect(await isSignedIn(browser)).toBe(false);
      expect(await isSignedIn(testGateway.agent)).toBe(true);
      expect(await sessions()).toHaveLength(1);
      former.push(testGateway.browser({ like: testGateway.agent }));
    }
    expect(revoked()).toEqual(['revoked', 'revoked', undefined]);
    expect(testGateway.agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
  });

  it('a sign-in begun from another site ends the session that another attempt recorded (standards: E2)', async () => {
    await testGateway.agent.signIn();
    const former = testGateway.browser({ like: testGateway.agent });
    await beginLogin(testGateway.agent);
    const elsewhere = await beginFromElsewhere();
    expect((await finishLogin(testGateway.agent, elsewhere)).status).toBe(303);
    expect(await isSignedIn(former)).toBe(false);
    expect(await isSignedIn(testGateway.agent)).toBe(true);
    expect(revoked()).toEqual(['revoked', undefined]);
  });

  it('a sign-in begun without the session cookie ends the session whose cookie the callback carries (standards: E2)', async () => {
    await testGateway.agent.signIn();
    const former = testGateway.browser({ like: testGateway.agent });
    const callbackUrl = await authorize(testGateway.agent, await beginFromElsewhere());
    // As with a provider on the same site, the browser sends the session cookie with the redirect to the callback.
    expect((await testGateway.agent.get(callbackUrl.href)).status).toBe(303);
    expect(await isSignedIn(former)).toBe(false);
    expect(await isSignedIn(testGateway.agent)).toBe(true);
    expect(revoked()).toEqual(['revoked', undefined]);
  });

  it('a failed sign-in ends no session', async () => {
    const tabs = [await beginLogin(testGateway.agent), await beginLogin(testGateway.agent)] as const;
    await finishLogin(testGateway.agent, tabs[0]);
    testGateway.provider.user = undefined;
    expect((await finishLogin(testGateway.agent, tabs[1])).status).toBe(400);
    expect(await isSignedIn(testGateway.agent)).toBe(true);
  });

  it('a sign-in ends no session of another browser (standards: E2, B4)', async () => {
    const attacker = testGateway.browser();
    await attacker.signIn('/', { loginHint: 'mallory' });
    const theirs = await beginLogin(attacker);
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    const victim = testGateway.browser({ like: testGateway.agent });
    expect((await finishLogin(attacker, theirs)).status).toBe(303);
    expect(await isSignedIn(victim)).toBe(true);
  });
});

it('a completed sign-in does not extend the lifetime of other login attempts in the same browser (standards: B4)', async () => {
  testGateway.stopClock();
  const tabs = [await beginLogin(testGateway.agent), await beginLogin(testGateway.agent)] as const;
  testGateway.advance(200_000);
  await finishLogin(testGateway.agent, tabs[0]);
  testGateway.advance(400_000);
  const late = await finishLogin(testGateway.agent, tabs[1]);
  expect(late.json()).toMatchObject({ reason: expect.stringContaining('in this browser') });
  expect(await isSignedIn(testGateway.agent)).toBe(true);
});

/** The header fields of a link on another site. */
const FROM_ELSEWHERE = {
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};

it('a sign-in that another site begins without a cookie starts again from a page of the gateway, once (standards: E2)', async () => {
  const { agent } = await openTestGatewayForTest();
  const query = '?returnTo=/a%22%3E%3Cscript%3E&login_hint=%22%3E%3Cscript%3E';
  const hop = await agent.get(`/auth/login${query}`, { headers: FROM_ELSEWHERE });
  expect([hop.status, hop.header('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(hop.header('location')).toBeUndefined();
  expect(hop.header('cache-control')).toBe('no-store');
  expect(hop.header('content-security-policy')).toMatch(/^default-src 'none'/);
  expect(hop.header('content-security-policy')).not.toMatch(/sandbox|script-src/);
  expect(hop.setCookies).toEqual([]);
  expect(hop.text()).not.toContain('<script');
  const next = refreshUrlOf(hop);
  expect(next).toBe(`/auth/login?returnTo=%2Fa%22%3E%3Cscript%3E&login_hint=%22%3E%3Cscript%3E&continued=1`);

  const response = await agent.get(next, { headers: { ...FROM_ELSEWHERE, 'sec-fetch-site': 'same-origin' } });
  expect(response.status).toBe(302);
  expect(new URL(response.header('location') ?? '').searchParams.get('login_hint')).toBe('"><script>');
});

it('a link of another site with the parameter of that page needs a click on a page of the gateway (standards: E2)', async () => {
  const { agent } = await openTestGatewayForTest();
  const page = await agent.get('/auth/login?returnTo=/a&continued=1', { headers: FROM_ELSEWHERE });
  expect([page.status, page.setCookies, page.header('location')]).toEqual([200, [], undefined]);
  expect(page.text()).not.toContain('http-equiv');
  expect(page.text()).toContain(
    '<a href="/auth/login?returnTo=%2Fa&#38;continued=1">Continue to the sign-in</a>',
  );
});

it.each(['same-origin', 'same-site', 'none'])('a sign-in from %s starts at once', async (site) => {
  const { agent } = await openTestGatewayForTest();
  const headers = { ...FROM_ELSEWHERE, 'sec-fetch-site': site };
  expect((await agent.get('/auth/login', { headers })).status).toBe(302);
});

it('a sign-in from another site starts at once where the browser sends the cookie there', async () => {
  const lax = await openTestGatewayForTest({ config: { session: { cookie: { sameSite: 'lax' } } } });
  expect((await lax.agent.get('/auth/login', { headers: FROM_ELSEWHERE })).status).toBe(302);
  const { agent } = await openTestGatewayForTest();
  await agent.signIn();
  expect((await agent.get('/auth/login', { headers: FROM_ELSEWHERE })).status).toBe(302);
});
