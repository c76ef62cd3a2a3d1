import { describe, expect, it } from 'vitest';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { authority, LIFE, openFapi, strictProvider, tlsSection } from './fixture.ts';

const certificate = authority.issue();

const byKey = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'PS256',
  id_token_signed_response_alg: 'ES256',
  authorization_signed_response_alg: 'ES256',
  jwks: { keys: [publicJwk('rsa', { kid: 'key-1' })] },
} as const;
const section = {
  profile: 'fapi2',
  par: 'required',
  clientAuthentication: 'private_key_jwt',
  signingAlg: 'PS256',
  idTokenSignedResponseAlg: 'ES256',
};
const keys = [{ key: pem('rsa'), keyId: 'key-1' }];
const baseUrl = 'https://app.example.test';
const trusted = { tls: { ca: authority.certificate } };

describe('oidc-provider under FAPI 2.0 (standards: H11)', () => {
  it('accepts the profile with private_key_jwt and certificate-bound tokens', async () => {
    const { agent, signIn, advance, fake } = await openFapi({
      client: { ...byKey, tls_client_certificate_bound_access_tokens: true },
      provider: { ...section, tls: tlsSection(certificate) },
      config: { keys },
      options: strictProvider,
      toApi: certificate,
      baseUrl,
    });
    await signIn();
    expect((await agent.fetch('/bound/one')).status).toBe(200);
    advance(LIFE);
    expect((await agent.fetch('/bound/one')).status).toBe(200);
    expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(fake.tokenLedger().every(({ familyAlive }) => !familyAlive)).toBe(true);
  });

  it('accepts the profile with private_key_jwt and DPoP', async () => {
    const { signIn, fake } = await openFapi({
      client: { ...byKey, dpop_bound_access_tokens: true },
      provider: { ...section, dpop: true, ...trusted },
      config: { keys },
      options: strictProvider,
      baseUrl,
    });
    await signIn();
    expect(fake.tokenLedger()).toHaveLength(1);
  });

  it('accepts the profile with signed requests and signed responses', async () => {
    const { agent, signIn } = await openFapi({
      client: {
        ...byKey,
        tls_client_certificate_bound_access_tokens: true,
        request_object_signing_alg: 'PS256',
        require_signed_request_object: true,
      },
      provider: {
        ...section,
        requestObject: { signingAlg: 'PS256' },
        responseMode: 'jwt',
        tls: tlsSection(certificate),
      },
      config: { keys },
      options: strictProvider,
      toApi: certificate,
      baseUrl,
    });
    await signIn();
    expect((await agent.fetch('/bound/one')).status).toBe(200);
  });
});
