import { expect, it } from 'vitest';
import { diagnoseOAuth2 } from '../../../../src/provider/oauth2/diagnose.ts';
import { oauth2Kind } from '../../../../src/provider/oauth2/kind.ts';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal } from '../../config/sample.ts';

const report = (section: Record<string, unknown>): Record<string, string> => {
  const { provider } = parseConfig({ ...minimal, provider: section });
  if (!oauth2Kind.owns(provider)) throw new Error('the provider is of another kind');
  const results = diagnoseOAuth2(
    provider,
    'https://login.example.com',
    'https://app.example.com/auth/callback',
  );
  return Object.fromEntries(results.map(({ name, verdict, detail }) => [name, `${verdict}: ${detail}`]));
};

const oauth2 = {
  type: 'oauth2',
  authorizationEndpoint: 'https://login.example.com/authorize',
  tokenEndpoint: 'https://login.example.com/token',
  userinfoEndpoint: 'https://login.example.com/me',
  clientId: 'web',
  clientSecret: 'canary-secret',
};

it('reports the consequences of a plain OAuth 2.0 configuration', () => {
  expect(report(oauth2)).toEqual({
    provider:
      'ok: https://login.example.com is reachable; it publishes no metadata, so the rest is as configured',
    endpoints:
      'ok: authorization https://login.example.com/authorize, token https://login.example.com/token, userinfo https://login.example.com/me',
    'sign-in': 'ok: by redirect',
    grants: 'ok: authorization_code, refresh_token, sent as a form',
    client: 'ok: client_secret_basic',
    PKCE: 'ok: S256, always sent; the server may ignore it',
    subject: 'ok: /sub of the userinfoEndpoint response',
    refresh: 'ok: rotation is not announced: a refresh token in a response replaces the previous one',
    revocation:
      'warning: no endpoint: sign-out discards the refresh token here, but it stays valid at the provider',
    logout: 'warning: no endpoint: users stay signed in at the provider',
    callback: 'ok: https://app.example.com/auth/callback; register it at the provider',
  });
});

it('reports that a provider without a redirect has no callback', () => {
  const { authorizationEndpoint: _, tokenEndpoint: __, ...rest } = oauth2;
  const found = report({
    ...rest,
    login: 'decoupled',
    decoupledEndpoint: 'https://login.example.com/decoupled',
    decoupledTokenEndpoint: 'https://login.example.com/decoupled/token',
    revocationEndpoint: 'https://login.example.com/revoke',
    requestFormat: 'json',
    subject: '/a~1b/c',
  });
  expect(found).toMatchObject({
    'sign-in': 'ok: on another device',
    grants: 'ok: authorization_code, refresh_token, sent as a JSON object',
    subject: 'ok: /a~1b/c of the userinfoEndpoint response',
    revocation: 'ok: sign-out revokes the refresh token',
  });
  expect(found).not.toHaveProperty('callback');
  expect(found).not.toHaveProperty('PKCE');
});

it('the report on an OAuth 2.0 server reveals no secret', () => {
  expect(JSON.stringify(report(oauth2))).not.toContain('canary');
});
