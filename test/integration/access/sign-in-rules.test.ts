import { afterEach, describe, expect, it } from 'vitest';
import { login } from '../../../testkit/gateway/login-steps.ts';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { startGateway } from '../../../testkit/gateway/gateway.ts';
import { startCibaProvider } from '../../../testkit/providers/ciba.ts';
import { openVendorFixture, postLogin } from '../../../testkit/providers/vendor-fixture.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent, type UserAgent } from '../../../testkit/user-agent/user-agent.ts';

const closed: { close(): unknown }[] = [];
const opened = <Thing extends { close(): unknown }>(thing: Thing): Thing => {
  closed.unshift(thing);
  return thing;
};
afterEach(async () => {
  for (const thing of closed.splice(0)) await thing.close();
});

const session = async (agent: UserAgent) => (await agent.fetch('/auth/session')).json();

describe('login.require', () => {
  let testGateway: TestGateway;
  openTestGatewayForEachTest((given) => ({ testGateway } = given), {
    config: {
      login: { require: [{ claim: '/email', endsWith: '@example.test' }, { scope: 'openid' }] },
      provider: { scopes: ['openid', 'email', 'reports.read', 'offline_access'] },
    },
    routes: [
      { path: '/api' },
      { path: '/optional', auth: 'optional' },
      { path: '/public', auth: 'none' },
      { path: '/reports', scopes: ['reports.read'] },
    ],
  });
  const give = (email: string) => {
    testGateway.provider.patchIdToken = (given) => ({ ...given, email });
  };
  const expectRevoked = (family: number) =>
    expect
      .poll(() => testGateway.provider.families[family], { timeout: 20_000 })
      .toMatchObject({ endedBecause: 'revoked' });

  it('signs in a user who meets its rules', async () => {
    const { agent } = testGateway;
    await agent.signIn('/');
    expect(await session(agent)).toMatchObject({ authenticated: true });
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('judges the scopes of the sign-in, also on a route with a token of its own scopes', async () => {
    const { agent, upstream } = testGateway;
    await agent.signIn('/');
    expect((await agent.fetch('/reports/one')).status).toBe(200);
    const [sent] = upstream.requests.map(({ bearer }) => bearer);
    const [, narrowed] = testGateway.provider.families[0]?.accessTokens ?? [];
    expect(sent).toBe(narrowed?.token);
  });

  it('takes the requested scopes for granted when the provider names none (RFC 6749, section 5.1)', async () => {
    testGateway.provider.patchTokenResponse = ({ scope: _scope, ...rest }) => rest;
    const { agent } = testGateway;
    await agent.signIn('/');
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('judges the scopes that the provider granted, and not those that were requested', async () => {
    testGateway.provider.patchTokenResponse = (given) => ({ ...given, scope: 'email offline_access' });
    const response = await login(testGateway.agent);
    expect([response.status, response.json()]).toMatchObject([403, { code: 'not_allowed', rule: 1 }]);
  });

  it('starts no session, revokes the tokens and tells the app', async () => {
    give('mallory@evil.test@example.test');
    const { agent } = testGateway;
    const { response } = await agent.navigate('/auth/login?returnTo=/page');
    const { pathname, searchParams } = new URL(response.url);
    expect(pathname).toBe('/page');
    expect(searchParams.get('auth_error')).toBe('not_allowed');
    expect(
      agent.cookies.header(new URL(agent.origin), { crossSite: false, topLevelGet: true }) ?? '',
    ).not.toMatch(/coatcheck=/);
    expect(await session(agent)).toMatchObject({ authenticated: false });
    await expectRevoked(0);
  });

  it('responds to a callback that is no navigation with a problem that names no claim', async () => {
    give('mallory@evil.test');
    const response = await login(testGateway.agent);
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect(response.text()).not.toContain('mallory');
    expect(response.setCookies.join()).not.toMatch(/coatcheck=[^;]/);
  });

  it('keeps the session of another user in the same browser', async () => {
    const { agent } = testGateway;
    await agent.signIn('/');
    give('mallory@evil.test');
    await agent.navigate('/auth/login?returnTo=/page&login_hint=mallory');
    expect(await session(agent)).toMatchObject({ authenticated: true, subject: 'alice' });
    await expectRevoked(1);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('denies every route, and not the sign-out, to a session that no longer meets it', async () => {
    const { agent } = testGateway;
    await agent.signIn('/');
    give('alice@evil.test');
    testGateway.advance(301_000);
    expect((await agent.fetch('/api/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect((await agent.fetch('/optional/one')).status).toBe(403);
    testGateway.upstream.respond(echo);
    expect((await agent.fetch('/public/one')).status).toBe(200);
    expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(await session(agent)).toMatchObject({ authenticated: false });
  });
});

describe('login.require for claims that only the userinfo endpoint has', () => {
  it.each([
    ['ops', true],
    ['dev', false],
  ])('decides on the department %s', async (department, authenticated) => {
    const { agent, provider } = await openTestGatewayForTest({
      config: { login: { require: [{ claim: '/department', equals: 'ops' }] } },
    });
    provider.patchUserinfo = (given) => ({ ...given, department });
    await agent.navigate('/auth/login?returnTo=/page');
    expect(await session(agent)).toMatchObject({ authenticated });
  });
});

describe('login.require without a redirect', () => {
  it('rejects a sign-in by password with 403', async () => {
    const fixture = opened(
      await openVendorFixture({ config: { login: { require: [{ claim: '/sub', equals: 'bob' }] } } }),
    );
    const agent = fixture.browser();
    const response = await postLogin(agent);
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect(response.setCookies).toEqual([]);
    expect(await session(agent)).toMatchObject({ authenticated: false });
  });

  it('rejects a sign-in on another device with 403', async () => {
    let nowMs = Date.now();
    const clock = () => nowMs;
    const provider = opened(await startCibaProvider(clock));
    const upstream = opened(await startUpstream());
    const config = { login: { require: [{ claim: '/sub', equals: 'bob' }] } };
    const gateway = opened(await startGateway({ provider, upstream, clock, config }));
    const agent = opened(createUserAgent(gateway.url, { clock }));
    const begun = await agent.fetch('/auth/decoupled', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login_hint: 'alice' }),
    });
    expect(begun.status).toBe(202);
    for (const approval of provider.approvals.all) approval.state = 'approved';
    nowMs += 1_000;
    const response = await agent.fetch('/auth/decoupled');
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect(await session(agent)).toMatchObject({ authenticated: false });
    expect((await agent.fetch('/auth/decoupled')).status).toBe(404);
  });

  it('keeps the session that a step-up began in when the new sign-in may have none', async () => {
    const testGateway = await openTestGatewayForTest({
      routes: [{ path: '/api' }, { path: '/admin', scopes: ['admin'] }],
      config: { login: { require: [{ not: { claim: '/banned', equals: true } }] } },
    });
    const { agent, provider } = testGateway;
    provider.patchIdToken = (given) => ({ ...given, banned: false });
    await agent.signIn('/');
    const { loginUrl } = (await agent.fetch('/admin/one')).json() as { loginUrl: string };
    provider.patchIdToken = (given) => ({ ...given, banned: true });
    const { response } = await agent.navigate(`${loginUrl}&returnTo=/page`);
    expect(new URL(response.url).searchParams.get('auth_error')).toBe('not_allowed');
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });
});
