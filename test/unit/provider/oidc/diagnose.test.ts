import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { diagnoseOidc } from '../../../../src/provider/oidc/diagnose.ts';
import { oidcKind } from '../../../../src/provider/oidc/kind.ts';
import { pem } from '../../config/keys.ts';
import { minimal } from '../../config/sample.ts';

const ISSUER = 'https://login.example.com';
const CALLBACK = 'https://app.example.com/auth/callback';

/** The metadata of a provider that supports everything. */
const complete = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  jwks_uri: `${ISSUER}/jwks`,
  revocation_endpoint: `${ISSUER}/revoke`,
  end_session_endpoint: `${ISSUER}/logout`,
  grant_types_supported: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: ['ES256'],
  code_challenge_methods_supported: ['S256'],
  scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
};

/** The check results for a complete provider with these changes, by name, each as `verdict: detail`. */
function results(server: Record<string, unknown> = {}, keys: Record<string, unknown> = {}) {
  const { provider } = parseConfig({ ...minimal, provider: { ...minimal.provider, ...keys } });
  if (!oidcKind.owns(provider)) throw new Error('the provider is of another kind');
  const found = diagnoseOidc({ ...complete, ...server }, provider, CALLBACK);
  return Object.fromEntries(found.map(({ name, verdict, detail }) => [name, `${verdict}: ${detail}`]));
}

const key = (kind: string) => ({
  clientAuthentication: 'private_key_jwt',
  clientSecret: undefined,
  privateKey: pem(kind),
});

describe('the diagnosis of an OpenID provider', () => {
  it('reports ok for everything when the provider supports the configuration', () => {
    expect(results()).toEqual({
      provider: `ok: ${ISSUER}, from OpenID discovery`,
      endpoints: `ok: authorization ${ISSUER}/authorize, token ${ISSUER}/token, keys ${ISSUER}/jwks, revocation ${ISSUER}/revoke, logout ${ISSUER}/logout`,
      grants: 'ok: authorization_code, refresh_token',
      client: 'ok: client_secret_basic, which the provider accepts',
      PKCE: 'ok: S256',
      signing: 'ok: RS256, for ID and logout tokens',
      scopes: 'ok: openid, profile, email, offline_access',
      refresh: expect.stringMatching(/^ok: providers do not announce rotation/),
      revocation: 'ok: sign-out revokes the refresh token',
      logout: `ok: leads to ${ISSUER}/logout, then back to login.postLogoutReturnTo; register that at the provider`,
      callback: `ok: ${CALLBACK}; register it at the provider`,
    });
  });

  it.each([
    [{ dpop_signing_alg_values_supported: ['ES256', 'EdDSA'] }, /^ok: access tokens are bound/],
    [{ dpop_signing_alg_values_supported: ['RS256'] }, /^failed: .* the provider accepts RS256$/],
    [{}, /^warning: not announced/],
  ])('compares provider.dpop with the algorithms %j', (server, expected) => {
    expect(results(server, { dpop: true })['DPoP']).toMatch(expected);
    expect(results(server)['DPoP']).toBeUndefined();
  });

  it.each([
    [
      'grants',
      { grant_types_supported: ['implicit', 'refresh_token'] },
      'failed: authorization_code not announced',
    ],
    ['grants', { grant_types_supported: ['authorization_code'] }, 'warning: refresh_token is not announced'],
    ['grants', { grant_types_supported: undefined }, 'warning: none announced'],
    ['PKCE', { code_challenge_methods_supported: undefined }, 'warning: not announced; S256 is sent anyway'],
    ['scopes', { scopes_supported: ['openid', 'email', 'profile'] }, 'warning: offline_access not announced'],
    ['scopes', { scopes_supported: undefined }, 'ok: openid, profile'],
    ['revocation', { revocation_endpoint: undefined }, 'warning: no endpoint'],
    ['logout', { end_session_endpoint: undefined }, 'warning: no endpoint, and no provider.logoutUrl'],
    ['client', { token_endpoint_auth_methods_supported: undefined }, 'ok: client_secret_basic'],
    [
      'client',
      { token_endpoint_auth_methods_supported: ['client_secret_post', 'none'] },
      'failed: provider.clientAuthentication is client_secret_basic, but the provider accepts client_secret_post, none',
    ],
  ])('reports on %s, with %o: %s', (name, server, expected) => {
    expect(results(server)[name]).toContain(expected);
    const others = Object.entries(results(server)).filter(
      ([other]) => other !== name && other !== 'endpoints',
    );
    for (const [, said] of others) expect(said).toMatch(/^ok: /);
  });

  it.each([
    ['a key that the provider takes', 'P-256', 'ok: private_key_jwt with ES256, which the provider accepts'],
    ['another key', 'ed25519', 'failed: the assertion is signed with EdDSA, but the provider accepts ES256'],
  ])('reports on private_key_jwt with %s', (_what, kind, expected) => {
    expect(results({}, key(kind))['client']).toBe(expected);
  });

  it('reports the configured logout page, whatever the provider announces', () => {
    const logoutUrl = 'https://pages.example.com/logout?client_id={clientId}&to={returnTo}';
    expect(results({}, { logoutUrl })['logout']).toBe(
      'ok: leads to https://pages.example.com, from provider.logoutUrl',
    );
  });

  it('reports the algorithm that the client is registered for', () => {
    const announced = { id_token_signing_alg_values_supported: ['RS256', 'ES256', 'HS256'] };
    expect(results(announced)['signing']).toBe('ok: RS256, ES256, for ID and logout tokens');
    const es256 = { idTokenSignedResponseAlg: 'ES256' };
    expect(results(announced, es256)['signing']).toBe('ok: ES256, for ID and logout tokens');
    expect(results({}, es256)['signing']).toBe(
      'failed: provider.idTokenSignedResponseAlg is ES256, but the provider announces RS256',
    );
  });

  it('reports the requirements of sign-in on another device without an authorization endpoint', () => {
    const found = results(
      {
        authorization_endpoint: undefined,
        backchannel_authentication_endpoint: `${ISSUER}/backchannel`,
        grant_types_supported: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
      },
      { login: 'decoupled' },
    );
    expect(found).toMatchObject({
      grants: expect.stringMatching(/^ok/),
      decoupled: expect.stringMatching(/^ok/),
    });
    expect(found).not.toHaveProperty('PKCE');
    expect(found).not.toHaveProperty('callback');
  });

  it('reports that the provider requires pushed authorization requests', () => {
    expect(results({ require_pushed_authorization_requests: true })['PAR']).toMatch(
      /^failed: the provider requires pushed authorization requests \(PAR, RFC 9126\)/,
    );
    expect(results({ require_pushed_authorization_requests: false })).not.toHaveProperty('PAR');
  });

  it('reports that offline_access is announced but not requested', () => {
    expect(results({}, { scopes: ['openid'] })['refresh']).toMatch(
      /^warning: offline_access is announced but not requested/,
    );
  });
});

describe('the diagnosis of pushed authorization requests', () => {
  const endpoint = { pushed_authorization_request_endpoint: `${ISSUER}/par` };
  const required = { ...endpoint, require_pushed_authorization_requests: true };

  it.each([
    [{}, {}, undefined],
    [endpoint, {}, 'ok: the parameters of a sign-in are pushed (PAR, RFC 9126)'],
    [endpoint, { par: 'off' }, undefined],
    [
      required,
      { par: 'off' },
      'failed: the provider requires pushed authorization requests (PAR, RFC 9126) and refuses every other sign-in: set provider.par to auto',
    ],
    [
      { require_pushed_authorization_requests: true },
      {},
      'failed: the provider requires pushed authorization requests (PAR, RFC 9126) and refuses every other sign-in, but no endpoint for them is known',
    ],
  ])('of a provider with %o and the keys %o reports %s', (server, keys, expected) => {
    expect(results(server, keys)['PAR']).toBe(expected);
  });
});
