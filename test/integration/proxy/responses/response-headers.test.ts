import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../../testkit/network/header-list.ts';
import { redirect, setCookie, status } from '../../../../testkit/upstream/behaviours.ts';
import { type Fixture, respondingWith, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/cookies', cookies: { fromUpstream: ['lang', 'theme'] } },
      {
        path: '/fields',
        responseHeaders: {
          set: { 'X-Set': 'by the gateway', 'Cache-Control': 'private, max-age=60' },
          remove: ['X-Removed'],
        },
      },
    ],
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

const get = (path: string) => fixture.send(`GET ${path} HTTP/1.1`);

describe('an upstream response in the browser', () => {
  it('keeps its header fields including repeated ones and non-ASCII bytes', async () => {
    fixture.upstream.respond(
      respondingWith({
        'x-custom': '1',
        'content-type': 'text/html',
        link: ['<a>', '<b>'],
        'x-name': '\xe9\xff',
        etag: '"1"',
      }),
    );
    const response = await get('/api/one');
    expect(response.statusLine).toBe('HTTP/1.1 200 OK');
    expect(response.body.toString()).toBe('ok');
    expect(response.header('x-custom')).toBe('1');
    expect(response.header('content-type')).toBe('text/html');
    expect(response.header('etag')).toBe('"1"');
    expect(valuesOf(response.headers, 'link')).toEqual(['<a>', '<b>']);
    expect(response.header('x-name')).toBe('\xe9\xff');
    expect(valuesOf(response.headers, 'date')).toHaveLength(1);
  });

  it('has no field that affects the whole origin or reveals the upstream (standards: F11)', async () => {
    fixture.upstream.respond(
      respondingWith({
        'clear-site-data': '"*"',
        'service-worker-allowed': '/',
        'access-control-allow-origin': '*',
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': '*',
        'strict-transport-security': 'max-age=0',
        'public-key-pins': 'x',
        'alt-svc': 'h3="evil:443"',
        refresh: '0;url=https://evil.example',
        server: 'Apache',
        'x-powered-by': 'PHP',
        'dpop-nonce': 'n',
        'proxy-authenticate': 'Basic realm="x"',
        'proxy-status': 'x',
        'keep-alive': 'timeout=1',
        'x-request-id': 'of the upstream',
        'content-security-policy': "default-src *; script-src 'unsafe-inline'",
        'content-security-policy-report-only': 'default-src *',
        'x-content-type-options': 'sniff',
      }),
    );
    const response = await get('/api/one');
    expect(response.status).toBe(200);
    expect(namesOf(response.headers).toSorted()).toEqual([
      'cache-control',
      'connection',
      'content-security-policy',
      'cross-origin-resource-policy',
      'date',
      'keep-alive',
      'transfer-encoding',
      'vary',
      'x-content-type-options',
      'x-request-id',
    ]);
    expect(response.header('keep-alive')).not.toBe('timeout=1');
    expect(response.header('x-request-id')).toBe(fixture.received().header('x-request-id'));
  });

  it('has a sandbox Content-Security-Policy and nosniff (standards: F12)', async () => {
    fixture.upstream.respond(respondingWith({ 'content-type': 'image/svg+xml' }));
    const response = await get('/api/one');
    expect(valuesOf(response.headers, 'x-content-type-options')).toEqual(['nosniff']);
    expect(valuesOf(response.headers, 'content-security-policy')).toEqual([
      expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'.*sandbox$/),
    ]);
  });

  it('lacks the fields that Connection names but keeps those of the gateway (standards: F1, F2)', async () => {
    fixture.upstream.respond(
      respondingWith({
        connection: 'close, X-Internal, content-security-policy, x-request-id, cache-control, content-type',
        'x-internal': '1',
        'content-type': 'text/plain',
      }),
    );
    const response = await get('/api/one');
    expect(namesOf(response.headers)).not.toContain('x-internal');
    expect(namesOf(response.headers)).not.toContain('content-type');
    expect(response.header('content-security-policy')).toContain('sandbox');
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.header('x-request-id')).toBeDefined();
    // The connection to the upstream ends, not that to the browser.
    expect(response.header('connection')).toBe('keep-alive');
  });

  it('stays a redirect that the gateway does not follow (standards: F18)', async () => {
    for (const [code, location] of [
      [302, 'http://127.0.0.1:1/elsewhere'],
      [307, '/api/two'],
      [308, '//other.example/'],
    ] as const) {
      fixture.upstream.respond(redirect(location, code));
      const response = await get('/api/one');
      expect([response.status, response.header('location')]).toEqual([code, location]);
      expect(fixture.received().target).toBe('/api/one');
    }
  });

  it('keeps the status and body of an upstream error', async () => {
    for (const code of [400, 403, 404, 409, 418, 500, 503]) {
      fixture.upstream.respond(status(code, { 'retry-after': '7' }, 'why'));
      const response = await get('/api/one');
      expect([response.status, response.header('retry-after'), response.body.toString()]).toEqual([
        code,
        '7',
        'why',
      ]);
    }
  });
});

describe('Set-Cookie from an upstream', () => {
  it('is dropped unless the route allows it (standards: F10)', async () => {
    fixture.upstream.respond(setCookie('coatcheck=evil', 'sid=1; Path=/', 'a=1; Domain=example.com'));
    expect(namesOf((await get('/api/one')).headers)).not.toContain('set-cookie');
  });

  it('is forwarded for an exact name without a Domain attribute', async () => {
    fixture.upstream.respond(
      setCookie(
        'lang=de; Path=/; Max-Age=9',
        'theme=dark; Domain=example.com',
        'theme=dark;domain = .example.com',
        'LANG=en',
        'langx=1',
        'lang',
        'theme2; x=theme=1',
        'coatcheck=evil',
        '=lang=1',
      ),
    );
    expect(valuesOf((await get('/cookies/one')).headers, 'set-cookie')).toEqual([
      'lang=de; Path=/; Max-Age=9',
    ]);

    fixture.upstream.respond(setCookie('lang=en'));
    expect(valuesOf((await get('/cookies/one')).headers, 'set-cookie')).toEqual(['lang=en']);
  });
});

describe('Cache-Control and Vary of an upstream response', () => {
  it.each([
    [undefined, 'no-store'],
    ['', 'no-store'],
    ['no-store', 'no-store'],
    ['max-age=60', 'private, max-age=60'],
    ['public, max-age=60', 'private, max-age=60'],
    ['PUBLIC, S-MaxAge=600', 'private'],
    ['s-maxage=600, stale-while-revalidate=9, proxy-revalidate', 'private, stale-while-revalidate=9'],
    ['private, no-cache', 'private, no-cache'],
    ['private="set-cookie", max-age=60', 'private, private="set-cookie", max-age=60'],
    [['public, max-age=60', 's-maxage=600'], 'private, max-age=60'],
  ])('allow no shared caching: %j becomes %j (standards: F20)', async (said, expected) => {
    fixture.upstream.respond(respondingWith(said === undefined ? {} : { 'cache-control': said }));
    expect(valuesOf((await get('/api/one')).headers, 'cache-control')).toEqual([expected]);
  });

  it('are not overridden by fields that only shared caches read (standards: F20)', async () => {
    fixture.upstream.respond(
      respondingWith({
        'surrogate-control': 'max-age=600',
        'cdn-cache-control': 'max-age=600',
        'cloudflare-cdn-cache-control': 'max-age=600',
        'x-accel-expires': '600',
      }),
    );
    const names = namesOf((await get('/api/one')).headers);
    expect(names.filter((name) => /surrogate|cdn|accel/.test(name))).toEqual([]);
  });

  it.each([
    [undefined, 'Cookie'],
    ['Accept-Encoding', 'Accept-Encoding, Cookie'],
    [['Origin', 'Accept'], 'Origin, Accept, Cookie'],
    ['accept, COOKIE', 'accept, COOKIE'],
    ['*', '*'],
  ])('vary by the cookie: %j becomes %j', async (said, expected) => {
    fixture.upstream.respond(respondingWith(said === undefined ? {} : { vary: said }));
    expect(valuesOf((await get('/api/one')).headers, 'vary')).toEqual([expected]);
  });
});

describe('WWW-Authenticate from an upstream', () => {
  it.each([
    ['Bearer error="insufficient_scope", realm="a"', ['Bearer error="insufficient_scope", realm="a"']],
    ['DPoP algs="ES256"', ['DPoP algs="ES256"']],
    ['Basic realm="x"', []],
    ['Negotiate', []],
    ['Bearer, Basic realm="x"', []],
    ['Bearer realm="a", NTLM', []],
    [['Basic realm="x"', 'Bearer realm="a"', 'Digest realm="x"'], ['Bearer realm="a"']],
  ])('never opens the login dialog of the browser: %j (standards: F11, F33)', async (said, expected) => {
    fixture.upstream.respond(respondingWith({ 'www-authenticate': said }, 403));
    expect(valuesOf((await get('/api/one')).headers, 'www-authenticate')).toEqual(expected);
  });
});

it('the configured response fields replace those of the upstream and the gateway', async () => {
  fixture.upstream.respond(
    respondingWith({
      'x-set': 'by the upstream',
      'x-removed': '1',
      'cache-control': 'public',
      connection: 'x-set',
    }),
  );
  const { headers } = await get('/fields/one');
  expect(valuesOf(headers, 'x-set')).toEqual(['by the gateway']);
  expect(valuesOf(headers, 'cache-control')).toEqual(['private, max-age=60']);
  expect(namesOf(headers)).not.toContain('x-removed');
});

it('an upstream response field named like an object property causes no error (standards: F23)', async () => {
  fixture.upstream.respond(respondingWith({ ['__proto__']: 'x', constructor: 'x' }));
  expect((await get('/api/one')).body.toString()).toBe('ok');
});

it('no token reaches the browser or the log in these tests', () => {
  expect(fixture.leaks()).toEqual([]);
});
