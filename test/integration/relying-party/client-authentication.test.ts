import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Client, settingsWith } from '../../../testkit/fake-provider/settings.ts';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { startRealProvider } from '../../../testkit/providers/real-provider.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { login } from '../../../testkit/gateway/login-steps.ts';
import { jwk, pem, publicJwk, signingKinds } from '../../unit/config/keys.ts';

const LIFE = 300_000;

async function open(client: Partial<Client>, section: Record<string, unknown>): Promise<TestGateway> {
  const provider = await startFakeProvider({ client: { ...settingsWith({}).client, ...client } });
  const method = { clientAuthentication: provider.client.authentication };
  const testGateway = await openTestGateway({ provider, config: { provider: { ...method, ...section } } });
  onTestFinished(() => testGateway.close());
  return testGateway;
}

const withKey = (kind: string, client: Partial<Client> = {}, section: Record<string, unknown> = {}) =>
  open(
    { authentication: 'private_key_jwt', keys: [publicJwk(kind)], ...client },
    { clientSecret: undefined, privateKey: pem(kind), ...section },
  );

/** Signs in, refreshes and signs out, and returns the requests with client authentication. */
async function wholeWay({ agent, advance, provider }: TestGateway) {
  await agent.signIn();
  advance(LIFE);
  expect((await agent.fetch('/api/one')).status).toBe(200);
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  const requests = provider.requests.filter(({ endpoint }) => endpoint === 'token' || endpoint === 'revoke');
  expect(requests.map(({ endpoint, status }) => [endpoint, status])).toEqual([
    ['token', 200],
    ['token', 200],
    ['revoke', 200],
  ]);
  expect(provider.families).toMatchObject([{ endedBecause: 'revoked' }]);
  return requests;
}

describe('the client authenticates on code, refresh and revocation requests (standards: A1, B17, H6)', () => {
  it('by client_secret_basic with no secret in the body', async () => {
    for (const { authorization, form } of await wholeWay(await open({}, {}))) {
      expect(authorization).toMatch(/^Basic /);
      expect(form).not.toHaveProperty('client_secret');
    }
  });

  it('by client_secret_post with no Authorization header', async () => {
    for (const { authorization, form } of await wholeWay(
      await open({ authentication: 'client_secret_post' }, {}),
    )) {
      expect(authorization).toBeUndefined();
      expect(form).toMatchObject({ client_id: 'web', client_secret: 'canary-cs +:%&/=?' });
    }
  });

  it('not at all as a public client, with PKCE', async () => {
    const testGateway = await open({ authentication: 'none' }, { clientSecret: undefined });
    for (const { authorization, form } of await wholeWay(testGateway)) {
      expect(authorization).toBeUndefined();
      expect(form).toMatchObject({ client_id: 'web' });
      expect(form).not.toHaveProperty('client_secret');
    }
  });

  it.each(signingKinds)('by private_key_jwt with a key of kind %s, which signs %s', async (kind, alg) => {
    const testGateway = await withKey(kind);
    const assertions = (await wholeWay(testGateway)).map(({ authorization, form }) => {
      expect(authorization).toBeUndefined();
      expect(form).not.toHaveProperty('client_secret');
      return form?.['client_assertion'] ?? '';
    });
    for (const assertion of assertions) {
      expect(decodeProtectedHeader(assertion)).toEqual({ alg });
      const { exp = 0, iat = 0, jti: _, ...claims } = decodeJwt(assertion);
      expect(claims).toEqual({ iss: 'web', sub: 'web', aud: testGateway.provider.issuer });
      expect(exp - iat).toBeLessThanOrEqual(60);
    }
    expect(new Set(assertions.map((assertion) => decodeJwt(assertion).jti)).size).toBe(assertions.length);
    for (const assertion of assertions) expect(testGateway.gateway.logs()).not.toContain(assertion);
  });

  it('by private_key_jwt with the algorithm and the key ID of the JWK', async () => {
    const keys = [publicJwk('rsa', { kid: 'other' }), publicJwk('rsa', { kid: 'key-1' })];
    const key = jwk('rsa', { alg: 'PS256', kid: 'key-1' });
    for (const { form } of await wholeWay(await withKey('rsa', { keys }, { privateKey: key }))) {
      expect(decodeProtectedHeader(form?.['client_assertion'] ?? '')).toEqual({ alg: 'PS256', kid: 'key-1' });
    }
  });

  it('by private_key_jwt with the configured key ID', async () => {
    const keys = [publicJwk('P-256', { kid: 'other' }), publicJwk('P-256', { kid: 'key-2' })];
    const key = { privateKey: jwk('P-256', { kid: 'key-1' }), keyId: 'key-2' };
    await wholeWay(await withKey('P-256', { keys }, key));
  });
});

describe('a provider that expects its token endpoint as the assertion audience', () => {
  it('receives only the token endpoint as audience when so configured', async () => {
    const wish = { assertionAudience: 'token_endpoint' } as const;
    const testGateway = await withKey('P-256', wish, wish);
    for (const { form } of await wholeWay(testGateway)) {
      expect(decodeJwt(form?.['client_assertion'] ?? '').aud).toBe(`${testGateway.provider.issuer}/token`);
    }
  });

  it('rejects another audience and the error names the configuration keys', async () => {
    const testGateway = await withKey('P-256', { assertionAudience: 'token_endpoint' });
    const response = await login(testGateway.agent);
    expect(response.json()).toMatchObject({
      status: 400,
      code: 'login_failed',
      reason: expect.stringMatching(/the token endpoint .*(invalid_client|clientAuthentication)/),
    });
  });
});

describe('a client that the provider rejects', () => {
  it('keeps its sessions and continues once the provider accepts it again (standards: G3)', async () => {
    const testGateway = await withKey('P-256');
    await testGateway.agent.signIn();
    const { keys = [] } = testGateway.provider.client;
    testGateway.provider.client.keys = [publicJwk('ed25519')];
    testGateway.advance(LIFE);
    const refused = await testGateway.agent.fetch('/api/one');
    expect(refused.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    testGateway.provider.client.keys = keys;
    testGateway.advance(30_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect(testGateway.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  });
});

describe('client credentials replaced by a reload', () => {
  it('apply from the next request without a new sign-in (standards: H6)', async () => {
    const testGateway = await withKey('P-256');
    await testGateway.agent.signIn();
    testGateway.provider.client.keys = [publicJwk('ed25519', { kid: 'key-2' })];
    const privateKey = jwk('ed25519', { kid: 'key-2' });
    await testGateway.gateway.reload({ provider: { privateKey } });
    testGateway.advance(LIFE);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    await testGateway.browser().signIn();
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const statuses = testGateway.provider.requests.filter(({ endpoint }) =>
      ['token', 'revoke'].includes(endpoint),
    );
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});

describe('oidc-provider accepts the client authentication', () => {
  const kinds = [
    ['client_secret_basic', {}, {}],
    ['client_secret_post', {}, {}],
    ['private_key_jwt', { token_endpoint_auth_signing_alg: 'RS256' }, { kind: 'rsa', alg: 'RS256' }],
    ['private_key_jwt', { token_endpoint_auth_signing_alg: 'PS256' }, { kind: 'rsa', alg: 'PS256' }],
    ['private_key_jwt', { token_endpoint_auth_signing_alg: 'ES256' }, { kind: 'P-256', alg: 'ES256' }],
    ['private_key_jwt', { token_endpoint_auth_signing_alg: 'EdDSA' }, { kind: 'ed25519', alg: 'EdDSA' }],
  ] as const;

  it.each(kinds)('by %s %o on code, refresh and revocation requests', async (method, metadata, key) => {
    const isKey = 'kind' in key;
    const section = isKey ? { privateKey: jwk(key.kind, { alg: key.alg, kid: 'key-1' }) } : {};
    const fixture = await openProviderFixture(
      {
        open: (clock) =>
          startRealProvider({
            clock,
            client: {
              token_endpoint_auth_method: method,
              ...metadata,
              ...(isKey && { jwks: { keys: [publicJwk(key.kind, { kid: 'key-1' })] } }),
            },
            ...(isKey && { section }),
          }),
      },
      { config: { provider: { clientAuthentication: method } } },
    );
    onTestFinished(() => fixture.close());
    await fixture.signIn();
    fixture.advance(LIFE);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    await fixture.agent.fetch('/auth/logout', { method: 'POST' });
    expect(fixture.fake.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([false, false]);
  });
});
