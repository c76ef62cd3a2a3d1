import { describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../src/errors.ts';
import { createRoutes } from '../../../src/proxy/routes.ts';
import { parseRoute } from '../config/sample.ts';

/** The routes of a configuration with these paths. */
const routesAt = (...paths: string[]) => createRoutes(paths.map((path) => parseRoute({ path })));

/** The upstream request target for a path below a route with these keys. */
function askedFor(path: string, keys: Record<string, unknown>): string | undefined {
  return createRoutes([parseRoute(keys)])
    .match(path)
    ?.upstreamPath(path);
}

describe('the route of a path', () => {
  it('is the same among hundreds of routes as by comparison with each of them', () => {
    const segments = ['a', 'b', 'ab', 'a.b'];
    const paths = Array.from({ length: 400 }, (_, at) => {
      const digits = at
        .toString(4)
        .split('')
        .map((digit) => segments[Number(digit)]);
      return `/${digits.join('/')}`;
    });
    const routes = routesAt(...paths.filter((_, at) => at % 3 > 0));
    const isUnder = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`);
    for (const path of paths.flatMap((path) => [path, `${path}/`, `${path}/b/a`, `${path}b`])) {
      const under = routes.all.filter(({ config }) => isUnder(path, config.path));
      const longest = under.toSorted((a, b) => b.config.path.length - a.config.path.length)[0];
      expect([path, routes.match(path)]).toEqual([path, longest]);
    }
  });

  it.each([
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/api/x', '/api'],
    ['/api//x', '/api'],
    ['/api/admin', '/api/admin'],
    ['/api/admin/x', '/api/admin'],
    ['/api/administration', '/api'],
    ['/api/a%2Fb', '/api'],
    ['/api/x;v=1', '/api'],
    ['/api/admin%20x', '/api'],
    ['/assets/logo%20(1).svg;v=1', undefined],
    ['/apifoo', undefined],
    ['/api-v2/x', undefined],
    ['/api.json', undefined],
    ['/api/Items/A.b', '/api'],
    ['/api/a.b/C', '/api'],
    ['/api/10:30/x', '/api'],
    ['/App/x', undefined],
    ['/x/api', undefined],
    ['/', undefined],
  ])('of %o is %o: the longest matching prefix, at the end of a segment (F13, F14)', (path, route) => {
    expect(routesAt('/api', '/api/admin', '/other').match(path)?.config.path).toBe(route);
  });

  it.each([
    '/%61pi/x',
    '/api%2Fx',
    '/api%2fadmin',
    '/api;v=1',
    '/api;/x',
    '/api/%61dmin',
    '/api/%2561dmin',
    '/api/%252561dmin',
    '/api/adm%69n/x',
    '/api/admin;x',
    '/api//admin',
    '/api/;x/admin',
    '/api/admin%2fx',
    '/api/admin%3bx',
    '/oth%65r',
    '/;x/api',
    '/API/x',
    '/Api',
    '/api/Admin/users',
    '/api/ADMIN',
    '/api/admin.',
    '/api/admin../x',
    '/api/admin%20',
    '/api/admin%20/x',
    '/api/admin%2e/x',
    '/api/Admin%20.',
    '/api/admin::$DATA',
    '/api/admin:x/y',
    '/api/%41dmin',
    '/api/adm%C4%B1n',
    '/api/adm%C4%B0n/x',
    '/api/%EF%BD%81dmin',
    '/api%EF%BC%8Fadmin',
    '/api/admin%C2%A0',
    '/api/admin%E3%80%80/x',
    '/api/%25EF%25BD%2581dmin',
  ])('is undefined for %o, which another server could decode to another route (F13, F14)', (path) => {
    expect(() => routesAt('/api', '/api/admin', '/other').match(path)).toThrow(GatewayError);
  });

  it('takes linear time for a path with nested encodings', () => {
    const nested = `/api/%${'25'.repeat(8_000)}`;
    const decodings = vi.spyOn(String.prototype, 'replace');
    routesAt('/api').match(nested);
    expect(decodings.mock.calls.length).toBeLessThan(20);
    decodings.mockRestore();
  });

  it('does not depend on the order of the configuration', () => {
    for (const paths of [
      ['/', '/api', '/api/admin'],
      ['/api/admin', '/api', '/'],
      ['/api', '/', '/api/admin'],
    ]) {
      const routes = routesAt(...paths);
      expect(
        ['/api/admin/x', '/api/x', '/apifoo', '/x'].map((path) => routes.match(path)?.config.path),
      ).toEqual(['/api/admin', '/api', '/', '/']);
    }
  });

  it('is undefined when there are no routes', () => {
    expect(createRoutes([]).match('/')).toBeUndefined();
  });
});

describe('the path of an upstream request', () => {
  it.each(['/api', '/api/', '/api/x', '/api//x', '/api/a%2Fb', '/api/x;y=1', "/api/'()*"])(
    'is %o as it was checked, byte for byte (F16)',
    (path) => {
      expect(askedFor(path, {})).toBe(path);
    },
  );

  it.each([
    ['https://api.example.com', '/api/x', '/api/x'],
    ['https://api.example.com/', '/api/x', '/api/x'],
    ['https://api.example.com/base', '/api/x', '/base/api/x'],
    ['https://api.example.com/base/', '/api/x', '/base/api/x'],
    ['https://api.example.com/a%2Fb/', '/api', '/a%2Fb/api'],
  ])('at %s is appended to the path of the upstream URL', (upstream, path, asked) => {
    expect(askedFor(path, { upstream })).toBe(asked);
  });

  it.each([
    ['https://api.example.com', '/api', '/'],
    ['https://api.example.com', '/api/', '/'],
    ['https://api.example.com', '/api/x', '/x'],
    ['https://api.example.com', '/api/api/x', '/api/x'],
    ['https://api.example.com', '/api/a%2Fb', '/a%2Fb'],
    ['https://api.example.com', '/api//evil.test/x', '/evil.test/x'],
    ['https://api.example.com', '/api////evil.test', '/evil.test'],
    ['https://api.example.com/base', '/api', '/base/'],
    ['https://api.example.com/base/', '/api/x', '/base/x'],
    ['https://api.example.com/base', '/api//x', '/base/x'],
  ])(
    'at %s without the prefix of %s is %s: never one that reads as a host (F16)',
    (upstream, path, asked) => {
      expect(askedFor(path, { upstream, stripPrefix: true })).toBe(asked);
    },
  );

  it('is unchanged when there is no prefix to strip', () => {
    expect(askedFor('/api/x', { path: '/', stripPrefix: true })).toBe('/api/x');
  });

  it('is on the configured upstream, whatever the path (A14, F16)', () => {
    const [route] = createRoutes([parseRoute({ upstream: 'https://api.example.com:8443/base' })]).all;
    expect(route?.servers).toEqual([
      { origin: 'https://api.example.com:8443', host: 'api.example.com:8443' },
    ]);
    for (const path of ['/api//evil.test/x', '/api/@evil.test', '/api/http:evil.test']) {
      const url = new URL(`${route?.servers[0].origin}${route?.upstreamPath(path)}`);
      expect(url.origin).toBe('https://api.example.com:8443');
      expect(url.pathname).toBe(`/base${path}`);
    }
  });
});

describe('a compiled route', () => {
  it('knows its allowed methods', () => {
    const [route] = createRoutes([parseRoute({ methods: ['GET', 'HEAD'] })]).all;
    expect([route?.methods.has('GET'), route?.methods.has('POST'), route?.methods.has('get')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('uses the access token of the sign-in', () => {
    expect(routesAt('/api').all[0]?.audience.id).toBe('');
  });
});
