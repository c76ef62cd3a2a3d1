import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { ClientMetadata, KoaContextWithOIDC } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { openFapi } from './fixture.ts';

const secret = { clientSecret: 'canary-client-secret-of-the-real-provider' };
const keys = (kind: string) => [{ key: pem(kind), keyId: 'key-1' }];
const signing = (alg: string, kind: string): Partial<ClientMetadata> => ({
  request_object_signing_alg: alg as NonNullable<ClientMetadata['request_object_signing_alg']>,
  require_signed_request_object: true,
  jwks: { keys: [publicJwk(kind, { kid: 'key-1' })] },
});
const requestObjects = { requestObjects: { enabled: true } };

describe('signed authorization requests (RFC 9101)', () => {
  it.each([
    ['PS256', 'rsa'],
    ['ES256', 'P-256'],
    ['EdDSA', 'ed25519'],
  ])('inside pushed requests with %s and a %s key', async (alg, kind) => {
    const { agent, signIn, accepted } = await openFapi({
      client: signing(alg, kind),
      provider: { ...secret, requestObject: { signingAlg: alg } },
      config: { keys: keys(kind) },
      options: { configuration: { features: requestObjects } },
    });
    const { authorizationUrl } = await beginLogin(agent);
    expect([...authorizationUrl.searchParams.keys()].toSorted()).toEqual(['client_id', 'request_uri']);
    await signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(accepted).toEqual([expect.objectContaining({ code_challenge_method: 'S256' })]);
  });

  it('leave only client_id and request in the URL without pushed requests', async () => {
    const { agent, signIn, real } = await openFapi({
      client: signing('ES256', 'P-256'),
      provider: { ...secret, par: 'off', requestObject: { signingAlg: 'ES256' } },
      config: { keys: keys('P-256') },
      options: { configuration: { features: requestObjects } },
    });
    const { searchParams } = (await beginLogin(agent)).authorizationUrl;
    expect([...searchParams.keys()].toSorted()).toEqual(['client_id', 'request']);
    const request = searchParams.get('request') ?? '';
    expect(decodeProtectedHeader(request)).toEqual({
      alg: 'ES256',
      kid: 'key-1',
      typ: 'oauth-authz-req+jwt',
    });
    const { exp = 0, nbf = 0, iat = 0, ...claims } = decodeJwt(request);
    expect(claims).toMatchObject({ iss: 'web', aud: real.issuer, response_type: 'code', client_id: 'web' });
    expect(exp - nbf).toBeLessThanOrEqual(120);
    // The clock of the provider may be behind.
    expect(iat - nbf).toBeGreaterThanOrEqual(30);
    await signIn();
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('fail when the provider knows another key', async () => {
    const { agent } = await openFapi({
      client: signing('ES256', 'P-256-b'),
      provider: { ...secret, requestObject: { signingAlg: 'ES256' } },
      config: { keys: keys('P-256') },
      options: { configuration: { features: requestObjects } },
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject({ status: 400, code: 'login_failed' });
  });
});

describe('signed authentication requests of OpenID CIBA', () => {
  type Form = Readonly<Record<string, unknown>>;
  const ciba = (receive: (form: Form) => void, approve: (id: string) => void) => ({
    ciba: {
      enabled: true,
      deliveryModes: ['poll'] as const,
      processLoginHint: async (_ctx: unknown, hint?: string) => hint,
      validateRequestContext: async ({ oidc }: KoaContextWithOIDC) => receive({ ...oidc.body }),
      verifyUserCode: async () => undefined,
      triggerAuthenticationDevice: async (_ctx: unknown, { jti }: { jti: string }) => approve(jti),
    },
  });

  const open = (registeredKind: string) => {
    const begun: string[] = [];
    const received: Form[] = [];
    const features = ciba(
      (form) => void received.push(form),
      (id) => void begun.push(id),
    );
    return openFapi({
      client: {
        grant_types: ['authorization_code', 'refresh_token', 'urn:openid:params:grant-type:ciba'],
        backchannel_token_delivery_mode: 'poll',
        backchannel_authentication_request_signing_alg: 'PS256',
        jwks: { keys: [publicJwk(registeredKind, { kid: 'key-1' })] },
      },
      provider: { ...secret, login: 'decoupled', requestObject: { signingAlg: 'PS256' } },
      config: { keys: keys('rsa') },
      options: { configuration: { features: { ...requestObjects, ...features } as never } },
    }).then((opened) => ({ ...opened, begun, received }));
  };

  it('sign a user in on another device', async () => {
    const { agent, real, begun, received, advance } = await open('rsa');
    const started = await agent.fetch('/auth/decoupled', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login_hint: 'alice' }),
    });
    expect(started.status).toBe(202);
    const [form = {}] = received;
    expect(received).toHaveLength(1);
    // Nothing of the request is beside it (OpenID CIBA Core 1.0, section 7.1.1).
    expect(Object.keys(form).toSorted()).toEqual(['client_id', 'request']);
    const request = String(form['request']);
    expect(decodeProtectedHeader(request)).toMatchObject({ alg: 'PS256', kid: 'key-1' });
    expect(decodeJwt(request)).toMatchObject({
      iss: 'web',
      aud: real.issuer,
      login_hint: 'alice',
    });
    const { instance } = real;
    const grant = new instance.Grant({ accountId: 'alice', clientId: 'web' });
    grant.addOIDCScope('openid');
    await grant.save();
    await instance.backchannelResult(begun[0] ?? '', grant, {
      acr: 'x',
      amr: [],
      authTime: Math.floor(Date.now() / 1000),
    });
    advance(10_000);
    expect((await agent.fetch('/auth/decoupled')).status).toBe(200);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('are refused when the provider knows another key', async () => {
    const { agent } = await open('P-256');
    const started = await agent.fetch('/auth/decoupled', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login_hint: 'alice' }),
    });
    expect(started.json()).toMatchObject({ status: 400, code: 'login_failed' });
  });
});
