import { describe, expect, it } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';

const open = (requestRouteScopes: boolean, provider: Record<string, unknown> = {}) =>
  openTestGatewayForTest({
    config: {
      login: { requestRouteScopes },
      provider: { scopes: ['openid', 'offline_access'], ...provider },
    },
    routes: [
      { path: '/api' },
      { path: '/reports', scopes: ['reports.read'] },
      { path: '/orders', scopes: ['orders.read', 'openid'], resource: ['https://orders.example.test'] },
      { path: '/machine', token: 'client', scopes: ['machine.only'] },
      { path: '/stock', token: 'exchange', scopes: ['stock.read'], exchange: { audience: 'stock' } },
    ],
  });

describe('login.requestRouteScopes', () => {
  it('asks at sign-in for the scopes and resources of routes, so that none of them needs a step-up', async () => {
    const { agent, upstream } = await open(true);
    const { searchParams } = (await beginLogin(agent)).authorizationUrl;
    expect(searchParams.get('scope')).toBe('openid offline_access reports.read orders.read stock.read');
    expect(searchParams.getAll('resource')).toEqual(['https://orders.example.test']);
    await agent.signIn('/');
    for (const path of ['/api/one', '/reports/one', '/orders/one', '/stock/one'])
      expect((await agent.fetch(path)).status).toBe(200);
    expect(upstream.requests).toHaveLength(4);
  });

  it('asks for nothing of them by default', async () => {
    const { agent } = await open(false);
    const { searchParams } = (await beginLogin(agent)).authorizationUrl;
    expect(searchParams.get('scope')).toBe('openid offline_access');
    expect(searchParams.getAll('resource')).toEqual([]);
    await agent.signIn('/');
    expect((await agent.fetch('/reports/one')).json()).toMatchObject({ code: 'step_up_required' });
  });

  it('keeps the resource of every sign-in in the requests for its token', async () => {
    const resource = 'https://usual.example.test';
    const testGateway = await open(true, { authorizationParams: { resource } });
    const { agent, provider } = testGateway;
    const { searchParams } = (await beginLogin(agent)).authorizationUrl;
    expect(searchParams.getAll('resource')).toEqual([resource, 'https://orders.example.test']);
    await agent.signIn('/');
    testGateway.advance(301_000);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    const tokens = provider.requests.filter(({ endpoint }) => endpoint === 'token');
    expect(tokens.map(({ form }) => form?.['resource'])).toEqual([resource, resource]);
  });
});
