import { describe, expect, it, onTestFinished } from 'vitest';
import { beginLogin, finishLogin } from '../../../testkit/gateway/login-steps.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { startBank } from '../../../testkit/providers/bank.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';

const parameters = {
  ui_locales: 'any',
  max_age: 'any',
  acr_values: ['gold', 'gold silver'],
  prompt: ['login', 'select_account', 'create'],
  organization: 'any',
  kc_idp_hint: ['corp'],
};

const open = (given: Record<string, unknown> = parameters) =>
  openTestGatewayForTest({ config: { login: { parameters: given } } });

async function sentBy({ agent }: Pick<TestGateway, 'agent'>, query: string): Promise<Record<string, string>> {
  const { authorizationUrl } = await beginLogin(agent, query);
  return Object.fromEntries(authorizationUrl.searchParams);
}

describe('login.parameters', () => {
  it.each([
    ['a sign-up button', 'prompt', 'create'],
    ['another account', 'prompt', 'select_account'],
    ['a silent sign-in, which always passes', 'prompt', 'none'],
    ['the language', 'ui_locales', 'de-CH de'],
    ['an organisation', 'organization', 'org_1 & more=x'],
    ['an identity provider of Keycloak', 'kc_idp_hint', 'corp'],
    ['authentication contexts', 'acr_values', 'gold silver'],
    ['the age of the authentication', 'max_age', '0'],
    ['a user, which always passes', 'login_hint', 'carol@example.test'],
  ])('passes on %s', async (_what, name, value) => {
    const testGateway = await open();
    expect(await sentBy(testGateway, `?${new URLSearchParams({ [name]: value })}`)).toMatchObject({
      [name]: value,
    });
  });

  it.each([
    'kc_idp_hint=other',
    'kc_idp_hint=corp&kc_idp_hint=corp',
    'kc_idp_hint=corp&kc_idp_hint=other',
    'acr_values=silver',
    'prompt=consent',
    'prompt=login%20create',
    'ui_locales=',
    `ui_locales=${'x'.repeat(257)}`,
    'max_age=soon',
    'max_age=-1',
    'max_age=1e3',
    'max_age=9999999999',
    'audience=https://other.example',
    'scope=admin',
    'state=mine',
    'nonce=mine',
    'claims={}',
    'constructor=x',
    '__proto__=x',
    'UI_LOCALES=de',
  ])('ignores %s', async (query) => {
    const testGateway = await open();
    const plain = await sentBy(testGateway, '');
    const perLogin = { state: '', nonce: '', code_challenge: '' };
    expect({ ...(await sentBy(testGateway, `?${query}`)), ...perLogin }).toEqual({ ...plain, ...perLogin });
  });

  const openFixed = (authorizationParams: Record<string, string>, given: Record<string, unknown> = {}) =>
    openTestGatewayForTest({ config: { provider: { authorizationParams }, login: { parameters: given } } });

  it('replaces a fixed parameter of the configuration only by a value that it lists', async () => {
    const testGateway = await openFixed(
      { prompt: 'consent', ui_locales: 'en', login_hint: 'bob' },
      parameters,
    );
    const query = '?prompt=create&ui_locales=de&login_hint=carol';
    expect(await sentBy(testGateway, query)).toMatchObject({
      prompt: 'create',
      ui_locales: 'en',
      login_hint: 'bob',
    });
  });

  it.each(['login', 'select_account', 'consent login', 'create'])(
    'lets no prompt=none skip a fixed prompt=%s: the sign-in fails before it reaches the provider',
    async (prompt) => {
      const testGateway = await openFixed({ prompt }, { prompt: 'any' });
      const response = await testGateway.agent.get('/auth/login?prompt=none&returnTo=/page');
      expect(response.status).toBe(303);
      expect(response.header('location')).toMatch(
        /^\/page\?auth_error=login_required&auth_request_id=[\w-]+$/,
      );
      expect(response.setCookies).toEqual([]);
      expect(await sentBy(testGateway, '?prompt=create')).toMatchObject({ prompt });
    },
  );

  it.each([
    ['prompt=consent, which the provider then requires no more than the user has given', 'consent', {}],
    ['a fixed prompt where it is listed', 'login', { prompt: ['none'] }],
  ])('lets prompt=none replace %s', async (_what, prompt, given) => {
    const testGateway = await openFixed({ prompt }, given);
    expect(await sentBy(testGateway, '?prompt=none')).toMatchObject({ prompt: 'none' });
  });

  it('works with an OAuth 2.0 server', async () => {
    const config = { login: { parameters: { ...parameters, prompt: 'any' } } };
    const fixture = await openProviderFixture({ open: startBank }, { config });
    onTestFinished(() => fixture.close());
    expect(await sentBy(fixture, '?prompt=consent&max_age=60&ui_locales=fr&scope=admin')).toMatchObject({
      prompt: 'consent',
      max_age: '60',
      ui_locales: 'fr',
      scope: expect.not.stringContaining('admin'),
    });
  });
});

describe('a sign-in that asked for max_age', () => {
  it.each([
    ['older', (seconds: number) => seconds - 700],
    ['not there', () => undefined],
  ])('is rejected when auth_time is %s (standards: C14)', async (_what, authTime) => {
    const testGateway = await open();
    testGateway.provider.patchIdToken = ({ auth_time: _time, ...claims }) => {
      const time = authTime(claims.iat ?? 0);
      return time === undefined ? claims : { ...claims, auth_time: time };
    };
    const callback = await finishLogin(
      testGateway.agent,
      await beginLogin(testGateway.agent, '?max_age=600'),
    );
    expect(callback.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('"auth_time"'),
    });
    expect(testGateway.agent.cookies.get('coatcheck')).toBeUndefined();
    // The same ID token is good enough for a sign-in that asks for nothing.
    const plain = await finishLogin(testGateway.agent, await beginLogin(testGateway.agent));
    expect(plain.status).toBe(303);
  });

  it('succeeds when auth_time is recent', async () => {
    const testGateway = await open();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, auth_time: (claims.iat ?? 0) - 500 });
    const callback = await finishLogin(
      testGateway.agent,
      await beginLogin(testGateway.agent, '?max_age=600'),
    );
    expect(callback.status).toBe(303);
  });
});
