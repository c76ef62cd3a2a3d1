import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith, route } from '../sample.ts';

const problemsOf = (keys: Record<string, unknown>) => problemsWith({ routes: [{ ...route, ...keys }] });

describe('the callers with a token of their own on a route', () => {
  const issuers = ['https://login.example.com'];
  const audience = 'https://api.example.com';

  it('have an issuer and an audience', () => {
    const routes = [{ ...route, bearer: { issuers, audience } }];
    expect(parseConfig({ ...minimal, routes }).routes[0]?.bearer).toEqual({ issuers, audience });
    expect(problemsOf({ bearer: { issuers } })).toEqual([
      'routes[0].bearer.audience: missing; tokens for other APIs must not pass',
    ]);
    expect(problemsOf({ bearer: { audience } })).toEqual([
      'routes[0].bearer.issuers: expected at least one issuer, got the default',
    ]);
    expect(problemsOf({ bearer: { issuers: ['http://login.example.com'], audience } })).toEqual([
      expect.stringContaining('expected https'),
    ]);
  });

  it('have no ID token, and do not pass where no token is checked or where the token needs a session', () => {
    expect(problemsOf({ bearer: { issuers, audience: 'web' } })).toEqual([
      'routes[0].bearer.audience: expected another audience than provider.clientId, which ID tokens have, got a string of 3 characters',
    ]);
    expect(problemsOf({ auth: 'none', bearer: { issuers, audience } })).toEqual([
      'routes[0].bearer: auth none checks no token, ever; remove it',
    ]);
    const exchange = { token: 'exchange', exchange: { audience: 'orders' } };
    expect(problemsOf({ ...exchange, bearer: { issuers, audience } })).toEqual([
      'routes[0].bearer: not possible with token exchange, which needs a session to keep the token in',
    ]);
  });
});

describe('the token of a route', () => {
  it('is that of the user, without an exchange, by default', () => {
    const [parsed] = parseConfig({ ...minimal, routes: [route] }).routes;
    expect(parsed).toMatchObject({
      token: 'user',
      exchange: { scopes: [], resource: [], actor: 'none' },
    });
  });

  it.each(['client', 'exchange'])('is rejected with `auth: none` for %s', (token) => {
    const exchange = token === 'exchange' ? { audience: 'orders' } : {};
    expect(problemsOf({ token, exchange, auth: 'none' })).toEqual([
      `routes[0].token: auth none sends no token, ever; use auth optional, or remove it`,
    ]);
  });

  it('rejects an exchange that asks for nothing, and keys that another token does not use', () => {
    expect(problemsOf({ token: 'exchange' })).toEqual([
      'routes[0].exchange: token exchange requires an audience, scopes or a resource in it',
    ]);
    expect(problemsOf({ exchange: { audience: 'orders' } })).toEqual([
      'routes[0].exchange.audience: token user does not use it; remove it',
    ]);
    expect(problemsOf({ token: 'client', exchange: { audience: 'orders', actor: 'client' } })).toEqual([
      'routes[0].exchange.actor: token client does not use it; remove it',
    ]);
    expect(problemsOf({ token: 'none', scopes: ['a'], resource: ['urn:a'] })).toEqual([
      'routes[0].scopes: token none sends no access token; remove it',
      'routes[0].resource: token none sends no access token; remove it',
    ]);
  });

  it('rejects tokens of the gateway itself at a provider that has no grants, or no client credentials', () => {
    const routes = [{ ...route, token: 'client' }];
    const vendor = {
      type: 'credentials',
      login: {
        url: 'https://vendor.example.com/login',
        body: { user: '{username}', password: '{password}' },
      },
      refresh: { url: 'https://vendor.example.com/refresh', body: { token: '{refreshToken}' } },
      response: { accessToken: '/access', refreshToken: '/refresh', subject: '/id' },
    };
    expect(problemsWith({ provider: vendor, routes })).toEqual([
      "routes[0].token: a provider of type credentials issues no token but the user's",
    ]);
    const { type, issuer, clientId } = minimal.provider;
    const publicClient = { type, issuer, clientId, clientAuthentication: 'none' };
    expect(problemsWith({ provider: publicClient, routes })).toEqual([
      'routes[0].token: a client without credentials cannot ask for tokens of its own',
    ]);
  });
});
