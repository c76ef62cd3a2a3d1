import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { openTestGatewayForTest } from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway, TestGatewayOptions } from '../../../../testkit/gateway/test-gateway.ts';
import { echo, status } from '../../../../testkit/upstream/behaviours.ts';

const weak = (parameters: string) => `Bearer error="insufficient_user_authentication", ${parameters}`;
const narrow = (scope: string) => `Bearer error="insufficient_scope", scope="${scope}"`;

/** Opens a gateway whose browser is signed in, and whose API challenges every call. */
async function openChallenged(
  challenge: string,
  config: Record<string, unknown>,
  { code = 401, routes }: { code?: number } & Pick<TestGatewayOptions, 'routes'> = {},
): Promise<TestGateway> {
  const testGateway = await openTestGatewayForTest({ config, ...(routes && { routes }) });
  await testGateway.agent.signIn();
  testGateway.upstream.respond(status(code, { 'www-authenticate': challenge }, 'as it is'));
  return testGateway;
}

const call = ({ agent }: TestGateway, path = '/api/one') => agent.fetch(path);

async function loginUrlOf(testGateway: TestGateway, path?: string): Promise<string> {
  const problem = (await call(testGateway, path)).json() as { code: string; loginUrl: string };
  expect(problem.code).toBe('step_up_required');
  return problem.loginUrl;
}

/** What the login URL of a call asks the provider for. */
async function asked(testGateway: TestGateway): Promise<Record<string, string>> {
  const response = await testGateway.agent.get(await loginUrlOf(testGateway));
  expect(response.status).toBe(302);
  return Object.fromEntries(new URL(response.header('location') ?? '').searchParams);
}

/** Follows the login URL of a call until the browser is back at the app; gives `auth_error`. */
async function stepUp(testGateway: TestGateway): Promise<string | null> {
  const loginUrl = await loginUrlOf(testGateway);
  const { response } = await testGateway.agent.navigate(`${loginUrl}&returnTo=/page`, { from: 'page' });
  return new URL(response.url, testGateway.gateway.url).searchParams.get('auth_error');
}

const acrOfCall = async (testGateway: TestGateway) => {
  testGateway.upstream.respond(echo);
  await call(testGateway);
  return decodeJwt(testGateway.upstream.requests.at(-1)?.bearer ?? '')['acr'];
};

describe('an API that asks for an acr, where provider.authorizationParams fixes acr_values', () => {
  const fixed = (acr: string, login = {}) => ({
    provider: { authorizationParams: { acr_values: acr } },
    login,
  });

  it('cannot replace them by a weaker one: the sign-in fails before it reaches the provider', async () => {
    const testGateway = await openChallenged(weak('acr_values="bronze"'), fixed('gold'));
    const before = testGateway.provider.families.length;
    expect(await stepUp(testGateway)).toBe('step_up_unmet');
    expect(testGateway.provider.families).toHaveLength(before);
    expect(testGateway.gateway.logs()).toContain('login.stepUp.acrValues');
    expect(await acrOfCall(testGateway)).toBe('gold');
  });

  it('chooses among them', async () => {
    const testGateway = await openChallenged(weak('acr_values="bronze gold"'), fixed('silver gold'));
    expect(await asked(testGateway)).toMatchObject({ acr_values: 'gold' });
    expect(await stepUp(testGateway)).toBeNull();
    expect(await acrOfCall(testGateway)).toBe('gold');
  });

  it('gets none of them that it did not ask for', async () => {
    const testGateway = await openChallenged(weak('acr_values="gold"'), fixed('silver gold'));
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: 'silver' });
    expect(await stepUp(testGateway)).toBe('step_up_unmet');
  });

  it('gets another one that login.stepUp.acrValues permits', async () => {
    const login = { stepUp: { acrValues: ['gold'] } };
    const testGateway = await openChallenged(weak('acr_values="gold"'), fixed('silver', login));
    expect(await asked(testGateway)).toMatchObject({ acr_values: 'gold' });
    expect(await stepUp(testGateway)).toBeNull();
    expect(await acrOfCall(testGateway)).toBe('gold');
  });

  it('leaves a plain sign-in with the fixed ones, whatever login.stepUp.acrValues permits', async () => {
    const login = { stepUp: { acrValues: ['gold'] } };
    const testGateway = await openChallenged(weak('acr_values="gold"'), fixed('silver', login));
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: 'gold' });
    const { response } = await testGateway.agent.navigate('/auth/login', { from: 'page' });
    expect(new URL(response.url).searchParams.get('auth_error')).toBe('refused');
  });

  it('that asks for a scope only keeps the fixed ones', async () => {
    const config = { provider: { authorizationParams: { acr_values: 'gold' } } };
    const testGateway = await openChallenged(narrow('profile'), config, { code: 403 });
    expect(await asked(testGateway)).toMatchObject({ acr_values: 'gold' });
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: 'bronze' });
    expect(await stepUp(testGateway)).toBe('step_up_unmet');
  });
});

it('a step-up that names nothing keeps the fixed prompt', async () => {
  const config = { provider: { authorizationParams: { prompt: 'consent' } } };
  const testGateway = await openChallenged('Bearer error="insufficient_user_authentication"', config);
  expect(await asked(testGateway)).toMatchObject({ prompt: 'login consent' });
});

describe('a second step-up of a session', () => {
  const acrAfter = async (...challenges: string[]) => {
    const testGateway = await openChallenged(weak('acr_values="gold silver"'), {});
    for (const acr of challenges) {
      testGateway.upstream.respond(status(401, { 'www-authenticate': weak(`acr_values="${acr}"`) }));
      expect(await stepUp(testGateway)).toBeNull();
    }
    return acrOfCall(testGateway);
  };

  it('brings an acr that meets the first one as well', async () => {
    expect(await acrAfter('gold platinum', 'silver gold')).toBe('gold');
  });

  it('brings the acr of the second one where none meets both', async () => {
    expect(await acrAfter('gold', 'silver')).toBe('silver');
  });
});

describe('an API that asks for a scope', () => {
  const scopes = ['openid', 'offline_access', 'items.read'];
  const routes = [{ path: '/api' }, { path: '/admin', scopes: ['admin'] }];
  const open = (scope: string, login = {}) =>
    openChallenged(
      narrow(scope),
      { provider: { scopes }, login: { stepUp: { scopes: [] }, ...login } },
      { code: 403, routes },
    );

  it.each(['root', 'items.read root'])(
    'that a configuration with a list does not name gets nothing: its 403 for %j passes unchanged',
    async (scope) => {
      const testGateway = await open(scope);
      const response = await call(testGateway);
      expect([response.status, response.text()]).toEqual([403, 'as it is']);
      expect(response.header('www-authenticate')).toBe(narrow(scope));
      expect(testGateway.gateway.logs()).toContain('login.stepUp.scopes');
    },
  );

  it('does not get it by a 401 either, and not beside an acr', async () => {
    const testGateway = await open('root');
    testGateway.upstream.respond(status(401, { 'www-authenticate': narrow('root') }, 'as it is'));
    expect((await call(testGateway)).text()).toBe('as it is');
    const both = weak('acr_values="gold", scope="root items.read"');
    testGateway.upstream.respond(status(401, { 'www-authenticate': both }));
    expect((await call(testGateway)).json()).toMatchObject({
      stepUp: { acrValues: ['gold'], scopes: ['items.read'] },
    });
  });

  it('does not get it by the refusal of an upgrade', async () => {
    const config = { provider: { scopes }, login: { stepUp: { scopes: [] } } };
    const testGateway = await openChallenged(narrow('root'), config, {
      routes: [{ path: '/socket', websocket: true }],
    });
    testGateway.upstream.rejectUpgrades(403, narrow('root'));
    await expect(testGateway.agent.websocket('/socket')).rejects.toMatchObject({ status: 403 });
  });

  it.each([
    ['provider.scopes', 'items.read', {}],
    ['a route', 'admin', {}],
    ['login.stepUp.scopes', 'items.write', { stepUp: { scopes: ['items.write'] } }],
    ['login.stepUp.scopes: any', 'root', { stepUp: { scopes: 'any' } }],
    ['no key, by default,', 'root', { stepUp: {} }],
  ])('that %s names gets it', async (_where, scope, login) => {
    const testGateway = await open(scope, login);
    expect((await asked(testGateway))['scope']?.split(' ')).toContain(scope);
    expect(await stepUp(testGateway)).toBeNull();
    testGateway.upstream.respond(echo);
    await call(testGateway);
    const { bearer = '' } = testGateway.upstream.requests.at(-1) ?? {};
    expect(String(decodeJwt(bearer)['scope']).split(' ')).toContain(scope);
  });
});
