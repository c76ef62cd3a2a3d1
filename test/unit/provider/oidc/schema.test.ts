import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { pem } from '../../config/keys.ts';
import { minimal, openIdProviderOf, problemsWith } from '../../config/sample.ts';

const parse = (keys: Record<string, unknown>) =>
  openIdProviderOf(parseConfig({ ...minimal, provider: { ...minimal.provider, ...keys } }));
const problems = (keys: Record<string, unknown>) =>
  problemsWith({ provider: { ...minimal.provider, ...keys } }).map((text) => text.replace('provider.', ''));

describe('the configuration of an OpenID provider', () => {
  it('keeps the issuer exactly as written, because it is compared as text', () => {
    const issuer = 'https://Login.Example.com:443/realms/acme/';
    expect(parse({ issuer }).issuer).toBe(issuer);
  });

  it.each(['login.example.com', 'https://login.example.com?a=b', 'https://login.example.com#x', 7])(
    'rejects the issuer %o',
    (issuer) => {
      expect(problems({ issuer })).toEqual([
        expect.stringMatching(
          /^issuer: expected the http\(s\) URL of the issuer, without query, fragment or credentials, got /,
        ),
      ]);
    },
  );

  it('requires the client secret for both ways of sending it', () => {
    for (const clientAuthentication of ['client_secret_basic', 'client_secret_post']) {
      expect(problems({ clientAuthentication, clientSecret: undefined })).toEqual([
        `clientSecret: missing or empty; provider.clientAuthentication ${clientAuthentication} requires it`,
      ]);
    }
  });

  it('requires a private key for private_key_jwt and rejects a secret beside it', () => {
    expect(problems({ clientAuthentication: 'private_key_jwt' })).toEqual([
      'clientSecret: provider.clientAuthentication private_key_jwt does not use it; remove it',
      'privateKey: missing or empty; provider.clientAuthentication private_key_jwt requires it, or keys',
    ]);
  });

  it('rejects a private key without private_key_jwt', () => {
    const keys = {
      privateKey: pem('ed25519'),
      keyId: 'key-1',
      signingAlg: 'EdDSA',
      assertionAudience: 'issuer',
    };
    expect(problems(keys)).toEqual(
      Object.keys(keys).map(
        (key) => `${key}: provider.clientAuthentication client_secret_basic does not use it; remove it`,
      ),
    );
  });

  it('rejects an empty client identifier or secret', () => {
    expect(problems({ clientId: '', clientSecret: '' })).toHaveLength(2);
  });

  it('requires openid among the scopes and rejects scopes that do not fit a request', () => {
    expect(parse({ scopes: ['openid', 'api:read'] }).scopes).toEqual(['openid', 'api:read']);
    expect(problems({ scopes: ['profile'] })).toEqual([
      'scopes: expected a list of scopes that includes openid, got a list',
    ]);
    expect(problems({ scopes: ['openid', 'two words'] })).toEqual([
      'scopes[1]: expected a scope without spaces or quotes (RFC 6749 section 3.3), got a string of 9 characters',
    ]);
    expect(problems({ scopes: 'openid profile' })).toEqual([
      'scopes: expected a list of scopes, got a string of 14 characters',
    ]);
  });

  it('accepts fixed parameters for the authorization request', () => {
    const authorizationParams = { access_type: 'offline', prompt: 'consent', audience: 'https://api' };
    expect(parse({ authorizationParams }).authorizationParams).toEqual(authorizationParams);
    expect(problems({ authorizationParams: { max_age: 60 } })).toEqual([
      'authorizationParams.max_age: expected a string; put quotes around a number, got a number',
    ]);
  });

  it.each([
    'client_id',
    'redirect_uri',
    'response_type',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
    'scope',
    'response_mode',
    'request',
    'request_uri',
  ])('rejects an override of %s', (name) => {
    expect(problems({ authorizationParams: { [name]: 'x', prompt: 'login' } })).toEqual([
      `authorizationParams.${name}: the gateway sets this parameter itself; it cannot be overridden`,
    ]);
  });

  it.each([
    'https://login.example.com/logout?client_id={clientId}&logout_uri={returnTo}',
    'https://login.example.com/{clientId}/logout',
    'https://login.example.com?done',
  ])('leads to %s at logout', (logoutUrl) => {
    expect(parse({ logoutUrl }).logoutUrl).toBe(logoutUrl);
  });

  it.each([
    'login.example.com/logout',
    'https://{returnTo}/logout',
    'https://me:secret@login.example.com/logout',
    'https://login.example.com/logout?to={returnUrl}',
    'https://login.example.com/logout#there',
  ])('rejects the logout URL %s', (logoutUrl) => {
    expect(problems({ logoutUrl })).toEqual([
      expect.stringMatching(/^logoutUrl: expected the http\(s\) URL of a logout page/),
    ]);
  });

  it('rejects a logout URL with http, except on this machine', () => {
    expect(problems({ logoutUrl: 'http://login.example.com/logout' })).toEqual([
      expect.stringMatching(/^logoutUrl: expected https/),
    ]);
    expect(parse({ logoutUrl: 'http://127.0.0.1/logout' }).logoutUrl).toBe('http://127.0.0.1/logout');
  });

  it('rejects an unknown provider type', () => {
    expect(problems({ type: 'saml' })).toEqual([
      'type: expected oidc, oauth2 or credentials, got a string of 4 characters',
    ]);
  });
});
