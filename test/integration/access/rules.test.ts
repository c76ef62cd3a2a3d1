import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JWTPayload } from 'jose';
import { openTestGatewayForEachTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { requireToken, status } from '../../../testkit/upstream/behaviours.ts';

let testGateway: TestGateway;

const isAdmin = { claim: '/realm_access/roles', contains: 'admin' };

openTestGatewayForEachTest((opened) => ({ testGateway } = opened), {
  config: { provider: { scopes: ['openid', 'email', 'items.read', 'reports.read', 'offline_access'] } },
  routes: [
    { path: '/api' },
    { path: '/admin', require: [{ claim: '/email_verified', equals: true }, isAdmin], websocket: true },
    { path: '/staff', require: [{ not: { claim: '/realm_access/roles', contains: 'guest' } }] },
    { path: '/gold', require: [{ acr: 'gold' }] },
    { path: '/maybe', auth: 'optional', require: [isAdmin], websocket: true },
    { path: '/items', require: [{ scope: 'items.read' }] },
    { path: '/write', require: [{ scope: 'items.write' }] },
    { path: '/reports', scopes: ['reports.read'], require: [{ scope: 'reports.read' }] },
    { path: '/narrow', scopes: ['reports.read'], require: [{ scope: 'items.read' }] },
    {
      path: '/nested',
      require: [{ any: [{ not: { claim: '/suspended', equals: true } }, { claim: '/boss', equals: true }] }],
    },
  ],
});

/** The claims that the provider adds to ID tokens from now on. */
const give = (claims: JWTPayload) => {
  testGateway.provider.patchIdToken = (given) => ({ ...given, ...claims });
};
const roles = (...list: unknown[]) => ({ email_verified: true, realm_access: { roles: list } });
const call = (path: string) => testGateway.agent.fetch(path);
const received = () => testGateway.upstream.requests.length;

describe('routes[].require', () => {
  it('passes a user whose claims meet every rule', async () => {
    give(roles('user', 'admin'));
    await testGateway.agent.signIn();
    expect((await call('/admin/one')).status).toBe(200);
    expect((await call('/staff/one')).status).toBe(200);
  });

  it('responds with 403 that names the rule and no claim, and calls no upstream', async () => {
    give(roles('canary-role'));
    await testGateway.agent.signIn();
    const response = await call('/admin/one');
    expect(response.status).toBe(403);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.json()).toMatchObject({ code: 'not_allowed', rule: 1, status: 403 });
    expect(response.json()).not.toHaveProperty('loginUrl');
    expect(response.text()).not.toMatch(/canary-role|alice|realm_access/);
    expect(received()).toBe(0);
    expect((await call('/api/one')).status).toBe(200);
  });

  it.each([
    ['missing', {}],
    ['a text in place of a list', { realm_access: { roles: 'admin' } }],
    [
      'replaced by a reference',
      {
        realm_access: { roles: ['admin'] },
        _claim_names: { realm_access: 'src1' },
        _claim_sources: { src1: { endpoint: 'https://graph.example.test' } },
      },
    ],
    ['too long to be kept', roles('admin', 'x'.repeat(17_000))],
  ])('denies a claim that is %s, and also its "not"', async (_what, claims) => {
    give({ email_verified: true, ...claims });
    await testGateway.agent.signIn();
    await expect(testGateway.agent.websocket('/admin/live')).rejects.toMatchObject({ status: 403 });
    expect(testGateway.upstream.upgrades).toHaveLength(0);
    expect((await call('/admin/one')).json()).toMatchObject({ code: 'not_allowed', rule: 1 });
    expect((await call('/staff/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect((await call('/gold/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect(received()).toBe(0);
  });

  it('judges the claims of a refreshed ID token, in every process', async () => {
    const replica = await testGateway.replica();
    const other = testGateway.browser({ like: testGateway.agent, at: replica });
    give(roles('user'));
    await testGateway.agent.signIn();
    for (const { line } of testGateway.agent.cookies.lines) other.setCookie(line);
    expect((await call('/admin/one')).status).toBe(403);
    expect((await other.fetch('/admin/one')).status).toBe(403);

    give(roles('admin'));
    testGateway.advance(301_000);
    expect((await call('/admin/one')).status).toBe(200);
    await expect.poll(async () => (await other.fetch('/admin/one')).status).toBe(200);

    give(roles('user'));
    testGateway.advance(301_000);
    expect((await other.fetch('/admin/one')).status).toBe(403);
    await expect.poll(async () => (await call('/admin/one')).status).toBe(403);
  });

  it('judges the claims again before it repeats a request with a refreshed token', async () => {
    give(roles('admin'));
    await testGateway.agent.signIn();
    expect((await call('/admin/one')).status).toBe(200);
    give(roles('user'));
    const refuse = status(401, { 'www-authenticate': 'Bearer error="invalid_token"' });
    testGateway.upstream.respond(refuse);
    const response = await call('/admin/two');
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ code: 'not_allowed', rule: 1 });
    expect(received()).toBe(2);
  });

  it('judges the scopes of the token that the route sends', async () => {
    await testGateway.agent.signIn();
    expect((await call('/items/one')).status).toBe(200);
    expect((await call('/write/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
    expect((await call('/reports/one')).status).toBe(200);
    expect((await call('/narrow/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
  });

  it('takes the requested scopes for granted when the provider names none (RFC 6749, section 5.1)', async () => {
    testGateway.provider.patchTokenResponse = ({ scope: _scope, ...rest }) => rest;
    await testGateway.agent.signIn();
    expect((await call('/items/one')).status).toBe(200);
    expect((await call('/write/one')).status).toBe(403);
  });

  it('rejects a WebSocket upgrade with 403', async () => {
    give(roles('user'));
    await testGateway.agent.signIn();
    await expect(testGateway.agent.websocket('/admin/live')).rejects.toMatchObject({
      status: 403,
      body: expect.stringContaining('"not_allowed"'),
    });
    expect(testGateway.upstream.upgrades).toHaveLength(0);
  });

  it('judges an upgrade by the claims of a refreshed ID token', async () => {
    const { agent, upstream } = testGateway;
    give(roles('user'));
    await agent.signIn();
    await expect(agent.websocket('/admin/live')).rejects.toMatchObject({ status: 403 });
    give(roles('admin'));
    testGateway.advance(301_000);
    const socket = await agent.websocket('/admin/live');
    socket.close();
    give(roles('user'));
    testGateway.advance(301_000);
    await expect(agent.websocket('/admin/live')).rejects.toMatchObject({ status: 403 });
    expect(upstream.upgrades).toHaveLength(1);
  });

  it('finds the claims of rules inside "any" and "not"', async () => {
    give({ suspended: true, boss: false });
    await testGateway.agent.signIn();
    expect((await call('/nested/one')).status).toBe(403);
    give({ suspended: false, boss: false });
    testGateway.advance(301_000);
    expect((await call('/nested/one')).status).toBe(200);
    give({ suspended: true, boss: true });
    testGateway.advance(301_000);
    expect((await call('/nested/one')).status).toBe(200);
  });

  it('asks an anonymous caller of an optional route to sign in', async () => {
    const response = await call('/maybe/one');
    expect(response.status).toBe(401);
    expect(response.json()).toMatchObject({ code: 'session_required', loginUrl: '/auth/login' });
    await expect(testGateway.agent.websocket('/maybe/live')).rejects.toMatchObject({ status: 401 });
    give(roles('user'));
    await testGateway.agent.signIn();
    expect((await call('/maybe/one')).status).toBe(403);
    expect(received()).toBe(0);
  });

  it('applies rules that a reload adds to sessions that are in use', async () => {
    give({ ...roles('admin'), department: 'ops' });
    await testGateway.agent.signIn();
    const { upstream, gateway } = testGateway;
    expect((await call('/api/one')).status).toBe(200);
    const routes = [
      { path: '/api', upstream: upstream.url, require: [{ claim: '/department', equals: 'ops' }] },
      { path: '/admin', upstream: upstream.url, require: [{ claim: '/department', equals: 'dev' }] },
    ];
    await gateway.reload({ routes });
    expect((await call('/api/one')).status).toBe(200);
    expect((await call('/admin/one')).status).toBe(403);
  });

  it('shows people a page without a word about the rules', async () => {
    give(roles('user'));
    await testGateway.agent.signIn();
    const { response: page } = await testGateway.agent.navigate('/admin/one');
    expect(page.status).toBe(403);
    expect(page.header('content-type')).toContain('text/html');
    expect(page.text()).toContain('No access');
    expect(page.text()).not.toMatch(/Rule|roles/);
  });
});

describe('the userinfo endpoint', () => {
  beforeEach(() => {
    testGateway.provider.patchUserinfo = (given) => ({ ...given, ...roles('admin') });
  });
  afterEach(() => {
    testGateway.provider.patchUserinfo = undefined;
  });

  it('brings the claims of rules that the ID token lacks', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireToken(testGateway.provider.isAccessTokenActive));
    expect((await call('/admin/one')).status).toBe(200);
  });

  it('brings no claim that it replaces by a reference', async () => {
    const references = { _claim_names: { realm_access: 'src1' } };
    testGateway.provider.patchUserinfo = (given) => ({ ...given, ...roles('admin'), ...references });
    await testGateway.agent.signIn();
    expect((await call('/admin/one')).json()).toMatchObject({ code: 'not_allowed', rule: 1 });
    expect((await call('/staff/one')).json()).toMatchObject({ code: 'not_allowed', rule: 0 });
  });

  it('does not stand in for a claim that the ID token replaced by a reference', async () => {
    give({ _claim_names: { realm_access: 'src1' } });
    await testGateway.agent.signIn();
    expect((await call('/admin/one')).status).toBe(403);
  });
});
