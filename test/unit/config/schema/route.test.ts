import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, parseRoute, problemsWith, route, routeProblems } from '../sample.ts';

describe('a route', () => {
  it('a route requires a path and an upstream, and has defaults for the rest', () => {
    expect(parseRoute({})).toEqual({
      path: '/api',
      upstream: ['https://api.example.com'],
      tls: {},
      stripPrefix: false,
      auth: 'required',
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      websocket: false,
      scopes: [],
      resource: [],
      bearer: { issuers: [] },
      token: 'user',
      exchange: { scopes: [], resource: [], actor: 'none' },
      timeout: { connect: 5_000, headers: 30_000, idle: 60_000 },
      connections: { max: 4_096, idle: 4_000, maxAge: 60_000, reuse: 'all' },
      replayBody: 65_536,
      maxBody: 10_485_760,
      maxPerMinute: 0,
      maxConcurrent: 256,
      requestHeaders: { set: {}, remove: [], allow: [] },
      require: [],
      forwardAuth: {},
      identity: { headers: {} },
      responseHeaders: { set: {}, remove: [] },
      cookies: { toUpstream: [], fromUpstream: [] },
    });
    expect(problemsWith({ routes: [{}] }).map((text) => text.split(':')[0])).toEqual([
      'routes[0].path',
      'routes[0].upstream',
    ]);
  });

  it('a route needs no upstream where a proxy in trustProxy asks about its requests', () => {
    const routes = [{ path: '/api' }];
    expect(parseConfig({ ...minimal, trustProxy: ['10.0.0.0/8'], routes }).routes[0]).not.toHaveProperty(
      'upstream',
    );
    expect(problemsWith({ routes })).toEqual([
      expect.stringMatching(
        /^routes\[0\]\.upstream: expected an http\(s\) URL; only a route for GET \/auth\/check/,
      ),
    ]);
  });

  it.each(['/', '/api', '/api/v1', '/api/v1.2', '/users/@me', '/.well-known/x', '/api/..hidden'])(
    'a route accepts the path %s',
    (path) => {
      expect(parseRoute({ path }).path).toBe(path);
    },
  );

  it.each([
    '',
    'api',
    '/api/',
    '//',
    '//api',
    '/api//v1',
    '/api/../x',
    '/..',
    '/./api',
    '/api/.',
    '/%61pi',
    '/api?x=1',
    '/api#x',
    '/api/*',
    '/a b',
    '/api\\x',
    '/api\n',
    '/ä',
  ])('a route rejects the path %o', (path) => {
    expect(routeProblems({ path })).toEqual([
      expect.stringMatching(/^path: expected a path such as \/api, without/),
    ]);
  });

  it('a route rejects a path that another route has', () => {
    const routes = [route, { ...route, path: '/other' }, route];
    expect(problemsWith({ routes })).toEqual([
      'routes[2].path: expected a unique path; routes[0] has the same, got a string of 4 characters',
    ]);
  });

  it.each(['/API', '/api.', '/api:x'])(
    'a route rejects the path %s beside /api, which an upstream may treat as the same path',
    (path) => {
      expect(problemsWith({ routes: [route, { ...route, path }] })).toEqual([
        `routes[1].path: expected a unique path; routes[0] has one that differs only in letter case, or in trailing dots, got a string of ${path.length} characters`,
      ]);
    },
  );

  it.each(['/auth', '/auth/x'])('a route rejects the path %s, which belongs to the gateway', (path) => {
    expect(routeProblems({ path })).toEqual([
      expect.stringMatching(/^path: expected a path outside login\.prefix, which the gateway reserves/),
    ]);
  });

  it('a route accepts a path that only starts with the letters of login.prefix', () => {
    expect(parseRoute({ path: '/authors' }).path).toBe('/authors');
  });

  it('a route compares paths with the configured login.prefix', () => {
    const config = {
      ...minimal,
      login: { prefix: '/api/login' },
      routes: [route, { ...route, path: '/auth' }],
    };
    expect(parseConfig(config).routes).toHaveLength(2);
    expect(problemsWith({ ...config, login: { prefix: '/api' } })).toHaveLength(1);
  });

  it.each([
    ['https://api.internal:8443', 'https://api.internal:8443'],
    ['https://api.internal/', 'https://api.internal'],
    ['https://API.internal:443/v2/', 'https://api.internal/v2'],
  ])('a route reads the upstream %s as %s', (written, upstream) => {
    expect(parseRoute({ upstream: written }).upstream).toEqual([upstream]);
  });

  it.each([
    'api.internal',
    'ws://api',
    'https://api?x=1',
    'https://api/#x',
    'https://a:b@api',
    'http:api',
    5,
  ])('a route rejects the upstream %o', (upstream) => {
    expect(routeProblems({ upstream })).toEqual([
      expect.stringMatching(
        /^upstream: expected an http\(s\) URL, without query, fragment or credentials, got /,
      ),
    ]);
  });

  it('takes a list of the URLs of its servers, with one path', () => {
    const upstream = ['https://one.internal/v2', 'https://two.internal/v2/'];
    expect(parseRoute({ upstream }).upstream).toEqual(['https://one.internal/v2', 'https://two.internal/v2']);
    expect(routeProblems({ upstream: [] })).toEqual([expect.stringMatching(/^upstream: expected an http/)]);
    expect(routeProblems({ upstream: ['https://a', 'https://a/'] })).toEqual([
      expect.stringMatching(/^upstream: expected URLs that differ/),
    ]);
    expect(routeProblems({ upstream: ['https://a', 'https://b/v2'] })).toEqual([
      expect.stringMatching(/^upstream: expected URLs with the same path/),
    ]);
    expect(routeProblems({ upstream: ['https://a', 'http://b'] })).toEqual([
      expect.stringMatching(/^upstream: expected https/),
    ]);
  });

  it.each(['get', 'CONNECT', 'TRACE', 'GET POST', ''])('a route rejects the method %o', (method) => {
    expect(routeProblems({ methods: ['GET', method] })).toEqual([
      `methods[1]: expected a method in upper case, other than CONNECT and TRACE, got a string of ${method.length} characters`,
    ]);
  });

  it('a route accepts uncommon methods, but no empty list of methods', () => {
    expect(parseRoute({ methods: ['QUERY', 'M-SEARCH'] }).methods).toEqual(['QUERY', 'M-SEARCH']);
    expect(routeProblems({ methods: [] })).toEqual(['methods: expected at least one method, got a list']);
  });

  it('a route with limits of 0 has no limit on bodies and streams', () => {
    const { maxBody, timeout } = parseRoute({ maxBody: 0, timeout: { idle: '0s' } });
    expect({ maxBody, idle: timeout.idle }).toEqual({ maxBody: 0, idle: 0 });
    expect(routeProblems({ timeout: { connect: '0s', headers: '0s' } })).toHaveLength(2);
  });

  it('a route accepts cookie names except those of the gateway', () => {
    const cookies = { toUpstream: ['theme'], fromUpstream: ['__Host-csrf'] };
    expect(parseRoute({ cookies }).cookies).toEqual(cookies);
    expect(
      routeProblems({
        cookies: { toUpstream: ['coatcheck'], fromUpstream: ['__Host-Http-coatcheck', 'a b'] },
      }),
    ).toEqual([
      "cookies.toUpstream[0]: expected a cookie other than the gateway's own, got a string of 9 characters",
      "cookies.fromUpstream[0]: expected a cookie other than the gateway's own, got a string of 21 characters",
      'cookies.fromUpstream[1]: expected a cookie name (RFC 6265 section 4.1.1), got a string of 3 characters',
    ]);
  });
});
