import { describe, expect, it } from 'vitest';
import { checkServerMetadata, responseSigning } from '../../../../src/provider/oidc/server-metadata.ts';

const issuer = 'https://login.example.com';
const metadata = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  id_token_signing_alg_values_supported: ['RS256', 'none', 'HS256', 'ES256'],
};

const config = { issuer, login: 'redirect', userinfo: 'auto', endpoints: {} } as const;
const check = (given: Record<string, unknown>, of = issuer) =>
  checkServerMetadata({ ...metadata, issuer: of, ...given }, { ...config, issuer: of });

describe('the metadata of a provider', () => {
  it('lists the signing algorithms and keeps only asymmetric ones (C8)', () => {
    const jwksUri = `${issuer}/jwks`;
    expect(check({})).toEqual({ jwksUri, algorithms: ['RS256', 'ES256'] });
    expect(check({ id_token_signing_alg_values_supported: undefined })).toEqual({
      jwksUri,
      algorithms: ['RS256'],
    });
  });

  it('allows only the algorithm that the client is registered for (C8)', () => {
    const registered = { ...config, idTokenSignedResponseAlg: 'ES256' } as const;
    for (const announced of [['RS256', 'ES256'], ['RS256']])
      expect(
        checkServerMetadata({ ...metadata, id_token_signing_alg_values_supported: announced }, registered),
      ).toMatchObject({ algorithms: ['ES256'] });
  });

  it('lists the algorithms of signed responses, of which the profile fapi2 allows its own (standards: H7, H11)', () => {
    const server = {
      ...metadata,
      authorization_signing_alg_values_supported: ['RS256', 'PS256', 'HS256', 'none'],
    };
    const algorithmsOf = (profile: 'none' | 'fapi2', given = server) =>
      responseSigning(given, { ...config, profile }).algorithms;
    expect(algorithmsOf('none')).toEqual(['RS256', 'PS256']);
    expect(algorithmsOf('fapi2')).toEqual(['PS256']);
    const { authorization_signing_alg_values_supported: _, ...silent } = server;
    expect(responseSigning(silent, { ...config, profile: 'none' }).algorithms).toEqual(['RS256']);
    expect(responseSigning(silent, { ...config, profile: 'fapi2' }).algorithms).toEqual([]);
  });

  it('requires no authorization endpoint for sign-in on another device', () => {
    const { authorization_endpoint: _, ...rest } = metadata;
    const decoupled = { ...config, login: 'decoupled' } as const;
    const backchannel = { backchannel_authentication_endpoint: `${issuer}/backchannel` };
    expect(() => checkServerMetadata({ ...rest, ...backchannel }, decoupled)).not.toThrow();
    expect(() =>
      checkServerMetadata(
        { ...rest, ...backchannel, code_challenge_methods_supported: ['plain'] },
        decoupled,
      ),
    ).not.toThrow();
    expect(() => checkServerMetadata(rest, decoupled)).toThrow('"backchannel_authentication_endpoint"');
    expect(() => checkServerMetadata(metadata, decoupled)).not.toThrow();
  });

  it('accepts endpoints on other hosts, as large providers have', () => {
    expect(() => check({ token_endpoint: 'https://oauth2.example.net/token' })).not.toThrow();
  });

  it.each([
    ['a slash more', `${issuer}/`],
    ['another case', 'https://LOGIN.example.com'],
    ['a port', `${issuer}:443`],
    ['another scheme', 'http://login.example.com'],
    ['nothing', undefined],
  ])('is rejected when its issuer has %s (C1)', (_what, other) => {
    expect(() => check({ issuer: other })).toThrow(/the provider publishes/);
  });

  it.each([
    ['authorization_endpoint', undefined],
    ['token_endpoint', undefined],
    ['jwks_uri', undefined],
    ['authorization_endpoint', 'javascript:alert(1)'],
    ['token_endpoint', '/token'],
    ['jwks_uri', 'file:///etc/passwd'],
    ['revocation_endpoint', 'https://user:secret@login.example.com/revoke'],
    ['end_session_endpoint', 'https://login.example.com/logout#now'],
    ['end_session_endpoint', ''],
  ])('is rejected when its %s is %s', (name, value) => {
    expect(() => check({ [name]: value })).toThrow(`no usable "${name}"`);
  });

  it.each(['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'revocation_endpoint'])(
    'is rejected when its %s is less protected than the issuer',
    (name) => {
      for (const url of ['http://login.example.com/x', 'http://127.0.0.1:80/x'])
        expect(() => check({ [name]: url })).toThrow(`"${name}" is not https`);
      const local = 'http://127.0.0.1:4000';
      expect(() => check({ [name]: 'http://login.example.com/x' }, local)).toThrow('is not https');
      expect(() => check({ [name]: 'http://localhost:4001/x' }, local)).not.toThrow();
      // A provider with plain http, by allowInsecureHttp, is not protected anyway.
      expect(() => check({ [name]: 'http://login.internal/x' }, 'http://login.internal')).not.toThrow();
    },
  );

  it('is rejected when it supports only "plain" PKCE (B3)', () => {
    expect(() => check({ code_challenge_methods_supported: ['plain'] })).toThrow('S256');
    expect(() => check({ code_challenge_methods_supported: ['plain', 'S256'] })).not.toThrow();
  });

  it.each([[['none']], [['HS256', 'HS512']], [[]]])(
    'is rejected when it signs only with %j (C8)',
    (algorithms) => {
      expect(() => check({ id_token_signing_alg_values_supported: algorithms })).toThrow('asymmetric');
    },
  );
});
