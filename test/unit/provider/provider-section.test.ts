import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { minimal, problemsOf, problemsWith, route } from '../config/sample.ts';

const oauth2 = {
  type: 'oauth2',
  authorizationEndpoint: 'https://login.example.com/authorize',
  tokenEndpoint: 'https://login.example.com/token?api-version=1',
  subject: '/user/id',
  clientId: 'web',
  clientSecret: 'client-secret',
};
const decoupled = {
  login: 'decoupled',
  decoupledEndpoint: 'https://login.example.com/decoupled',
  decoupledTokenEndpoint: 'https://login.example.com/decoupled/token',
};
const credentials = {
  type: 'credentials',
  login: { url: 'https://api.example.com/login', body: { name: '{username}', secret: '{password}' } },
  refresh: { url: 'https://api.example.com/refresh', body: { token: '{refreshToken}' } },
  response: { accessToken: '/token', refreshToken: '/refreshToken' },
};

const parse = (provider: object) => parseConfig({ ...minimal, provider }).provider;
const problems = (provider: object, keys: object = {}) =>
  problemsWith({ provider, ...keys }).map((text) => text.replace(/^provider\./, ''));

it('the error for provider.type lists the known types', () => {
  expect(problems({ type: 'saml' })).toEqual([
    'type: expected oidc, oauth2 or credentials, got a string of 4 characters',
  ]);
  expect(problems({})).toEqual(['type: missing or empty; expected oidc, oauth2 or credentials']);
  expect(problemsWith({ provider: 'oidc' })).toEqual([
    'provider: expected a mapping with a type (oidc, oauth2 or credentials) and the keys of that type, got a string of 4 characters',
  ]);
});

it('the error for a key of another provider type names that type', () => {
  expect(problems({ ...minimal.provider, tokenEndpoint: 'https://x' })[0]).toMatch(
    /^tokenEndpoint: unknown key "tokenEndpoint"/,
  );
  expect(problems({ ...oauth2, issuer: 'https://x' })[0]).toMatch(/^issuer: unknown key "issuer"/);
  expect(problems({ ...credentials, clientId: 'web' })[0]).toMatch(/^clientId: unknown key "clientId"/);
});

describe('the configuration of a plain OAuth 2.0 server', () => {
  it('requires endpoints, credentials and a subject pointer, and has defaults for the rest', () => {
    expect(parse(oauth2)).toEqual({
      ...oauth2,
      login: 'redirect',
      bindingMessage: 'generated',
      subject: ['user', 'id'],
      requestFormat: 'form',
      pollErrors: {},
      clientAuthentication: 'client_secret_basic',
      rejectionErrors: ['invalid_grant'],
      scopes: [],
      authorizationParams: {},
      timeout: 10_000,
      proxy: expect.objectContaining({ kind: 'environment' }),
      tls: {},
    });
  });

  it.each([
    ['authorizationEndpoint', 'provider.login redirect requires it'],
    ['tokenEndpoint', 'provider.login redirect requires it'],
    ['subject', 'without provider.userinfoEndpoint it must point to the subject in the token response'],
    ['clientSecret', 'provider.clientAuthentication client_secret_basic requires it'],
  ])('is rejected without %s', (key, why) => {
    expect(problems({ ...oauth2, [key]: undefined })).toEqual([`${key}: missing or empty; ${why}`]);
  });

  it('requires no subject pointer when userinfo has the subject', () => {
    expect(() => parse({ ...oauth2, subject: undefined, userinfoEndpoint: 'https://x/me' })).not.toThrow();
  });

  it('rejects decoupled endpoints without login: decoupled and names that key', () => {
    const { login: _, ...endpoints } = decoupled;
    const useless = 'provider.login redirect does not use it; remove it, or set provider.login to decoupled';
    expect(problems({ ...oauth2, ...endpoints })).toEqual([
      `decoupledEndpoint: ${useless}`,
      `decoupledTokenEndpoint: ${useless}`,
    ]);
  });

  it('accepts approval on another device, beside the redirect or without it', () => {
    const { authorizationEndpoint: _, tokenEndpoint: __, ...without } = oauth2;
    for (const provider of [
      { ...oauth2, ...decoupled },
      { ...without, ...decoupled },
    ])
      expect(() => parse(provider)).not.toThrow();
    expect(problems({ ...without, login: 'decoupled' })).toEqual([
      'decoupledEndpoint: missing or empty; provider.login decoupled requires it',
      'decoupledTokenEndpoint: missing or empty; provider.login decoupled requires it',
    ]);
    expect(problems({ ...oauth2, ...decoupled, tokenEndpoint: undefined })).toEqual([
      'tokenEndpoint: missing or empty; signing in by redirect requires both authorizationEndpoint and tokenEndpoint, or neither',
    ]);
  });

  it.each([
    ['login', 'phone'],
    ['requestFormat', 'xml'],
    ['subject', 'sub'],
    ['tokenEndpoint', 'login.example.com/token'],
    ['tokenEndpoint', 'https://me:secret@login.example.com/token'],
    ['revocationEndpoint', 'https://login.example.com/revoke#there'],
    ['scopes', ['two words']],
    ['authorizationParams', { state: 'mine' }],
  ])('is rejected with %s %j', (key, value) => {
    const [problem = ''] = problems({ ...oauth2, [key]: value });
    expect(problem).toContain(key);
    expect(problem).not.toContain('me:secret');
  });
});

describe('the configuration of a vendor API', () => {
  it('requires both endpoints and the pointers to both tokens, and has a default method', () => {
    expect(parse(credentials)).toEqual({
      ...credentials,
      login: { ...credentials.login, method: 'POST' },
      refresh: { ...credentials.refresh, method: 'POST' },
      response: { accessToken: ['token'], refreshToken: ['refreshToken'] },
      usernameSubject: 'folded',
      rejectionStatuses: [400, 401, 410, 422],
      timeout: 10_000,
      proxy: expect.objectContaining({ kind: 'environment' }),
      tls: {},
    });
    expect(problems({ type: 'credentials' }).map((text) => text.split(':')[0])).toEqual([
      'login',
      'refresh',
      'response',
    ]);
    expect(problems({ ...credentials, login: {}, response: {} }).map((text) => text.split(':')[0])).toEqual([
      'login.url',
      'login.body',
      'response.accessToken',
      'response.refreshToken',
    ]);
  });

  it('accepts a body as JSON text', () => {
    const body = '{"user": {"name": "{username}", "passwords": ["{password}"]}, "remember": true}';
    expect(parse({ ...credentials, login: { ...credentials.login, body } })).toMatchObject({
      login: { body: { user: { name: '{username}', passwords: ['{password}'] }, remember: true } },
    });
  });

  it.each([
    [{ user: '{username}' }, 'login.body: the placeholder {password} is missing'],
    [
      { user: '{username}', password: '{password}', otp: '{otp}' },
      'login.body: unknown placeholder; known placeholders: {username}, {password}',
    ],
    ['{"user": {username}}', 'login.body: expected a mapping, or a JSON object as text, such as { username'],
    [['{username}', '{password}'], 'login.body: expected a mapping'],
  ])('rejects the body %j', (body, problem) => {
    const [first] = problems({ ...credentials, login: { ...credentials.login, body } });
    expect(first).toContain(problem);
  });

  it('reveals nothing of a rejected body, which may contain a key of the vendor', () => {
    for (const body of ['{"apiKey": "canary-key"', { apiKey: 'canary-key' }, 'canary-key']) {
      const [first] = problems({ ...credentials, login: { ...credentials.login, body } });
      expect(first).not.toContain('canary');
    }
  });

  it('rejects passwords in URLs', () => {
    expect(problems({ ...credentials, login: { ...credentials.login, method: 'GET' } })).toEqual([
      'login.method: expected one of POST, PUT, PATCH, got a string of 3 characters',
    ]);
  });

  it('allows one access token, so that routes cannot request another', () => {
    const routes = [{ ...route, scopes: ['a'], resource: ['urn:a'] }];
    const useless = 'a provider of type credentials issues one access token for all routes; remove it';
    expect(problems(credentials, { routes })).toEqual([
      `routes[0].scopes: ${useless}`,
      `routes[0].resource: ${useless}`,
    ]);
  });
});

it.each([
  ['tokenEndpoint', { ...oauth2, tokenEndpoint: 'http://login.example.com/token' }],
  ['userinfoEndpoint', { ...oauth2, userinfoEndpoint: 'http://login.example.com/me' }],
  ['login.url', { ...credentials, login: { ...credentials.login, url: 'http://api.example.com/login' } }],
  ['refresh.url', { ...credentials, refresh: { ...credentials.refresh, url: 'http://api.example.com/x' } }],
])('provider URLs reject plain http to another machine at %s, unless it is allowed', (key, provider) => {
  expect(problems(provider)).toEqual([expect.stringMatching(new RegExp(`^${key}: expected https`))]);
  expect(() => parseConfig({ ...minimal, provider, allowInsecureHttp: true })).not.toThrow();
});

it('the provider section reports all problems at once, including those of other sections', () => {
  const wrong = () =>
    parseConfig({ ...minimal, listen: 'nowhere', provider: { ...oauth2, scopes: 'a', subject: undefined } });
  expect(problemsOf(wrong).map(({ path }) => path)).toEqual([
    'listen',
    'provider.scopes',
    'provider.subject',
  ]);
});
