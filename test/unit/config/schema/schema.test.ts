import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith, route, secret } from '../sample.ts';

describe('the configuration', () => {
  it('fills a minimal configuration with the defaults', () => {
    expect(parseConfig(minimal)).toEqual({
      baseUrl: 'https://app.example.com',
      listen: { host: '0.0.0.0', port: 3000 },
      tls: {},
      admin: { listen: { host: '127.0.0.1', port: 9464 }, allowedHosts: [] },
      workers: 1,
      allowedHosts: [],
      trustProxy: [],
      shutdownTimeout: 25_000,
      shutdownDelay: 0,
      allowInsecureHttp: false,
      provider: {
        type: 'oidc',
        issuer: 'https://login.example.com',
        clientId: 'web',
        clientSecret: 'client-secret',
        login: 'redirect',
        userinfo: 'auto',
        audiences: [],
        logoutTokens: 'standard',
        par: 'auto',
        profile: 'none',
        responseMode: 'query',
        dpop: false,
        endpoints: {},
        proxy: expect.objectContaining({ kind: 'environment' }),
        tls: {},
        scopes: ['openid', 'profile', 'email', 'offline_access'],
        clientAuthentication: 'client_secret_basic',
        rejectionErrors: ['invalid_grant'],
        authorizationParams: {},
        bindingMessage: 'generated',
        timeout: 10_000,
      },
      session: {
        store: { kind: 'memory' },
        tls: {},
        keyPrefix: 'coatcheck:',
        secrets: [secret],
        idleTimeout: 1_800_000,
        absoluteTimeout: 43_200_000,
        maxPerUser: 1_000,
        cookie: { sameSite: 'strict', persistent: false },
        cache: { maxAge: 5_000, maxEntries: 50_000 },
        claims: ['sub', 'name', 'email', 'picture'],
      },
      login: {
        prefix: '/auth',
        defaultReturnTo: '/',
        postLogoutReturnTo: '/',
        requestRouteScopes: false,
        require: [],
        parameters: {},
        stepUp: { acrValues: [], scopes: 'any' },
      },
      csrf: { mode: 'fetch-metadata' },
      audit: { destination: 'log', subjects: 'hashed' },
      telemetry: { traces: 'env', sampleRatio: 1 },
      refresh: {
        ahead: { kind: 'share', share: 0.2 },
        timeout: 10_000,
        retries: 2,
        lockTtl: 30_000,
        maxPerMinute: 30,
        maxConcurrent: 32,
      },
      rateLimit: {
        login: 1_200,
        callback: 1_200,
        attempts: 60,
        attemptsPerUser: 10,
        attemptsPerUserTotal: 100,
        backchannelLogout: 6_000,
        sessions: 120,
        admin: 1_200,
      },
      routes: [],
      log: { level: 'info', format: 'json' },
      keys: [],
    });
  });

  it('omits optional keys that are not set', () => {
    const config = parseConfig(minimal);
    expect('spa' in config).toBe(false);
    expect('token' in config.admin).toBe(false);
  });

  it('treats an undefined key as not set', () => {
    const config = parseConfig({ ...minimal, spa: undefined, admin: { token: undefined }, log: undefined });
    expect(config).toStrictEqual(parseConfig(minimal));
  });

  it('reports every missing required key', () => {
    const paths = problemsWith({ baseUrl: undefined, provider: { type: 'oidc' }, session: {} }).map(
      (text) => text.split(':')[0],
    );
    expect(paths).toEqual([
      'baseUrl',
      'provider.issuer',
      'provider.clientId',
      'session.secrets',
      'provider.clientSecret',
    ]);
  });

  it('reports that a key is missing and which value it expects', () => {
    expect(problemsWith({ baseUrl: undefined })).toEqual([
      'baseUrl: missing or empty; expected an http(s) origin, such as https://app.example.com, without path or query',
    ]);
  });

  it.each([undefined, null, 'text', 7, [minimal], () => minimal])(
    'rejects %o as a configuration',
    (input) => {
      expect(() => parseConfig(input)).toThrow(
        'expected a mapping with the keys baseUrl, listen, tls, admin',
      );
    },
  );

  it('reads booleans and whole numbers from text, so that the environment can supply them', () => {
    const config = parseConfig({
      ...minimal,
      workers: '1',
      allowInsecureHttp: 'true',
      refresh: { retries: '5' },
      session: { ...minimal.session, cache: { maxEntries: '10' } },
      routes: [{ ...route, websocket: 'true', stripPrefix: 'false', maxBody: '1024' }],
    });
    expect(config).toMatchObject({
      workers: 1,
      allowInsecureHttp: true,
      refresh: { retries: 5 },
      session: { cache: { maxEntries: 10 } },
      routes: [{ websocket: true, stripPrefix: false, maxBody: 1024 }],
    });
  });

  it.each(['yes', 'TRUE', '1', 1, null])('rejects %o as a boolean', (allowInsecureHttp) => {
    expect(problemsWith({ allowInsecureHttp })).toEqual([
      expect.stringMatching(/^allowInsecureHttp: expected true or false, got /),
    ]);
  });

  it.each([0, -1, 1.5, '', 'many', '0x1', '1e0', true])('rejects %o as a number of workers', (workers) => {
    expect(problemsWith({ workers })).toEqual([
      expect.stringMatching(/^workers: expected a whole number, at least 1, or auto, got /),
    ]);
  });

  it('accepts a bearer token for the admin listener only when a header can carry it', () => {
    const token = 'abcdefgh-12345678._~+/abcdefgh==';
    expect(parseConfig({ ...minimal, admin: { token } }).admin.token).toBe(token);
    const expected =
      'admin.token: expected a bearer token (RFC 6750 section 2.1) of at least 32 characters, got a string of';
    expect(problemsWith({ admin: { token: 'two words' } })).toEqual([`${expected} 9 characters`]);
    expect(problemsWith({ admin: { token: `${token} ` } })).toEqual([`${expected} 33 characters`]);
    expect(problemsWith({ admin: { token: token.slice(1) } })).toEqual([`${expected} 31 characters`]);
  });

  it.each(['verbose', 'silent', 'INFO'])('rejects the log level %s', (level) => {
    expect(problemsWith({ log: { level } })).toEqual([
      `log.level: expected one of trace, debug, info, warn, error, fatal, got a string of ${level.length} characters`,
    ]);
  });

  it('accepts only the two CSRF modes', () => {
    expect(parseConfig({ ...minimal, csrf: { mode: 'header' } }).csrf.mode).toBe('header');
    expect(problemsWith({ csrf: { mode: 'none' } })).toEqual([
      'csrf.mode: expected one of fetch-metadata, header, got "none"',
    ]);
  });

  it.each(['//evil.example', '/\\evil.example', 'https://evil.example', 'home', '/a b', '/a\\b', ''])(
    'rejects %o as the path after login',
    (defaultReturnTo) => {
      expect(problemsWith({ login: { defaultReturnTo } })).toEqual([
        expect.stringMatching(/^login\.defaultReturnTo: expected a path on this origin/),
      ]);
    },
  );

  it('accepts a path with query and fragment as the path after login', () => {
    const login = { defaultReturnTo: '/app?tab=1#top', postLogoutReturnTo: '/bye' };
    expect(parseConfig({ ...minimal, login }).login).toMatchObject(login);
  });
});
