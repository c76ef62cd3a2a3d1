import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { climbingPaths, foreignTargets, unusualTargets } from '../hostile.ts';
import { anonymousHead, namesOf, openFixture, type Fixture, codeOf } from '../fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/api/public', auth: 'none' },
      { path: '/stripped', stripPrefix: true },
      { path: '/reading', methods: ['GET', 'HEAD'] },
    ],
    config: { allowedHosts: ['other.example', 'port.example:8443'] },
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

/** Sends these bytes as a request, and returns the status of the response, or `closed` without one. */
async function statusOf(request: string): Promise<number | 'closed'> {
  const connection = await fixture.open();
  connection.write(request);
  try {
    return (await connection.readResponse(request.split(' ', 1)[0])).status;
  } catch {
    return 'closed';
  } finally {
    connection.close();
  }
}

describe('the request target', () => {
  it.each(foreignTargets)(
    'is rejected when it is not a path on this server: %s (standards: A14, F15, F16)',
    async (target) => {
      expect(await statusOf(fixture.head(`GET ${target} HTTP/1.1`))).toBe(400);
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it('is rejected when it is an absolute URL of this server', async () => {
    expect(await statusOf(fixture.head(`GET http://${fixture.host}/api/one HTTP/1.1`))).toBe(400);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('is rejected when it is an authority with CONNECT (standards: F15)', async () => {
    for (const target of ['evil.example:443', `127.0.0.1:${fixture.upstream.port}`]) {
      expect(await statusOf(`CONNECT ${target} HTTP/1.1\r\nHost: ${fixture.host}\r\n\r\n`)).toBe('closed');
    }
    expect(fixture.upstream.requests).toEqual([]);
  });
});

describe('the path of a request', () => {
  it.each([
    ...climbingPaths('/api'),
    '/api/public/../secret',
    '/api/public%2f..%2fsecret',
    '/api/public/..;/secret',
    '/stripped/../api/one',
    '/stripped/%2e%2e/api/one',
  ])(
    'is rejected when another parser could resolve it differently: %s (standards: A15, F13, F14)',
    async (path) => {
      expect(await statusOf(fixture.head(`GET ${path} HTTP/1.1`))).toBe(400);
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it.each([
    '/%61pi/one',
    '/ap%69',
    '/api;a=b/one',
    '/x;/../api',
    '/api/pu%62lic/one',
    '/api/public;x/one',
    '/api//public/one',
    '/api/one/..%00',
    '/reading%2fone',
    '/API/one',
    '/Api',
    '/api.',
    '/api%20/one',
    '/api/Public/one',
    '/api/public::$DATA',
  ])(
    'is rejected when decoding or ignoring letter case would change its route: %s (standards: F13)',
    async (path) => {
      expect(await statusOf(fixture.head(`GET ${path} HTTP/1.1`))).toBe(400);
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it.each(['/apifoo', '/ap', '/api-two/x', '/', '/x/api/one', '/Apifoo'])(
    'matches no route when it is outside every prefix: %s (standards: F13)',
    async (path) => {
      expect(await statusOf(fixture.head(`GET ${path} HTTP/1.1`))).toBe(404);
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it.each([...unusualTargets('/api'), '/api/secret?x=/api/public'])(
    'is forwarded unchanged: %s (standards: F13)',
    async (target) => {
      expect(await statusOf(fixture.head(`GET ${target} HTTP/1.1`))).toBe(200);
      expect(fixture.received().target).toBe(target);
    },
  );

  it('alone decides whether a session is required (standards: F14)', async () => {
    const anonymous = async (target: string, ...fields: string[]) =>
      statusOf(anonymousHead(fixture.host, `GET ${target} HTTP/1.1`, ...fields));
    expect(await anonymous('/api/public/one')).toBe(200);
    fixture.reset();
    expect(await anonymous('/api/secret?x=/api/public')).toBe(401);
    expect(await anonymous('/api/secret', 'User-Agent: GoogleHC/1.0')).toBe(401);
    expect(
      await anonymous('/api/secret', 'X-Forwarded-Uri: /api/public/one', 'X-Original-URL: /api/public/one'),
    ).toBe(401);
    expect(
      await anonymous('/api/secret', 'Referer: /api/public/one', 'X-HTTP-Method-Override: OPTIONS'),
    ).toBe(401);
    expect(fixture.upstream.requests).toEqual([]);
  });
});

describe('the Host field', () => {
  const get = (...hosts: string[]) => ['GET /public/one HTTP/1.1', ...hosts, '', ''].join('\r\n');

  it.each([
    'Host: evil.example',
    'Host: 127.0.0.1',
    'Host: 127.0.0.1:1',
    'Host: other.example.',
    'Host: other.example:80',
    'Host: port.example',
    'Host: xother.example',
    'Host: other.example.evil.example',
    'Host: evil@other.example',
    'Host: other.example/x',
    'Host: other.example evil',
    'Host:',
  ])('is rejected with 421 when it names no configured host: %s (standards: F17)', async (host) => {
    expect(await statusOf(get(host))).toBe(421);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('matches the configured hosts regardless of case', async () => {
    for (const host of [fixture.host, 'other.example', 'OTHER.example', 'port.example:8443']) {
      expect(await statusOf(get(`Host: ${host}`))).toBe(200);
      expect(fixture.received().header('host')).toBe(new URL(fixture.upstream.url).host);
    }
  });

  it('is required exactly once', async () => {
    expect(await statusOf(get())).toBe(400);
    expect(await statusOf(get(`Host: ${fixture.host}`, `Host: ${fixture.host}`))).toBe(400);
    expect(await statusOf(get(`Host: ${fixture.host}`, 'Host: evil.example'))).toBe(400);
    expect(await statusOf('GET /public/one HTTP/1.0\r\n\r\n')).toBe(421);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('and X-Forwarded-Host do not determine the redirect URI (standards: F8)', async () => {
    const forwarded = ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 1'];
    const login = await fixture.send('GET /auth/login HTTP/1.1', [...forwarded, 'Sec-Fetch-Mode: navigate']);
    const location = new URL(login.header('location') ?? '');
    expect(location.searchParams.get('redirect_uri')).toBe(`${fixture.gateway.url}/auth/callback`);
    expect(login.headers.flat().join()).not.toContain('evil.example');
  });
});

describe('the framing of a request', () => {
  const smuggled = `GET /public/smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n`;

  it.each([
    [
      'Content-Length before Transfer-Encoding',
      ['Content-Length: 4', 'Transfer-Encoding: chunked'],
      '0\r\n\r\n',
    ],
    [
      'Transfer-Encoding before Content-Length',
      ['Transfer-Encoding: chunked', 'Content-Length: 4'],
      '0\r\n\r\n',
    ],
    ['two different Content-Length fields', ['Content-Length: 4', 'Content-Length: 5'], 'body'],
    ['two equal Content-Length fields', ['Content-Length: 4', 'Content-Length: 4'], 'body'],
    ['a list in Content-Length', ['Content-Length: 4, 4'], 'body'],
    ['a Content-Length with a sign', ['Content-Length: +4'], 'body'],
    ['a negative Content-Length', ['Content-Length: -4'], 'body'],
    ['a hexadecimal Content-Length', ['Content-Length: 0x4'], 'body'],
    ['a Content-Length with letters', ['Content-Length: 4a'], 'body'],
    ['a Content-Length that overflows', ['Content-Length: 99999999999999999999'], 'body'],
    ['an empty Content-Length', ['Content-Length:'], 'body'],
    ['an unknown transfer coding', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
    ['chunked before another coding', ['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'],
    ['chunked twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['chunked and then identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    ['identity', ['Transfer-Encoding: identity'], ''],
    ['an empty transfer coding', ['Transfer-Encoding:'], '0\r\n\r\n'],
    ['a quoted transfer coding', ['Transfer-Encoding: "chunked"'], '0\r\n\r\n'],
    ['a vertical tab before the coding', ['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
    ['a space before the colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n'],
    ['a space before the colon of Content-Length', ['Content-Length : 4'], 'body'],
    ['a folded field', ['X-A: a', ' Content-Length: 4'], ''],
    ['a folded Transfer-Encoding', ['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
    ['a bare LF in a header field', ['X-A: a\nTransfer-Encoding: chunked'], '0\r\n\r\n'],
    ['a bare CR in a header field', ['X-A: a\rTransfer-Encoding: chunked'], '0\r\n\r\n'],
    ['an empty list element before the coding', ['Transfer-Encoding: , chunked'], '0\r\n\r\n'],
    ['an empty list element after the coding', ['Transfer-Encoding: chunked,'], '0\r\n\r\n'],
    ['identity before chunked', ['Transfer-Encoding: identity, chunked'], '0\r\n\r\n'],
    ['a parameter after the coding', ['Transfer-Encoding: chunked;a=b'], '0\r\n\r\n'],
    ['a no-break space before the coding', ['Transfer-Encoding: \xa0chunked'], '0\r\n\r\n'],
    ['a tab before the colon', ['Transfer-Encoding\t: chunked'], '0\r\n\r\n'],
    ['a Content-Length with an underscore', ['Content-Length: 4_0'], 'body'],
    ['a Content-Length with a fraction', ['Content-Length: 4.0'], 'body'],
    ['a Content-Length with an exponent', ['Content-Length: 4e0'], 'body'],
    ['a Content-Length of two numbers', ['Content-Length: 4 4'], 'body'],
    ['a Content-Length after a vertical tab', ['Content-Length: \x0b4'], 'body'],
    ['a field folded by a tab', ['X-A: a', '\tContent-Length: 4'], ''],
    ['two CRs at the end of a field', ['X-A: a\r'], ''],
    ['a CR before a field', ['\rX-A: a'], ''],
    ['an LF before a field', ['\nX-A: a'], ''],
    ['a CR instead of a value', ['X-A:\rContent-Length: 30'], ''],
    ['a space in a name', ['X A: a'], ''],
    ['a non-ASCII letter in a name', ['X\xe9A: a'], ''],
    ['a slash in a name', ['X/A: a'], ''],
    ['an escape in a value', ['X-A: \x1b[31m'], ''],
    ['a DEL in a value', ['X-A: \x7f'], ''],
    ['a NUL in a header field', ['X-A: a\0b'], ''],
    ['a NUL in a name', ['X\0A: a'], ''],
    ['a field without a colon', ['X-A'], ''],
    ['a field without a name', [': a'], ''],
    ['an invalid chunk size', ['Transfer-Encoding: chunked'], 'x\r\n\r\n0\r\n\r\n'],
    ['a chunk size with a sign', ['Transfer-Encoding: chunked'], '+4\r\nbody\r\n0\r\n\r\n'],
    ['a chunk size with a prefix', ['Transfer-Encoding: chunked'], '0x4\r\nbody\r\n0\r\n\r\n'],
    ['a chunk size that overflows', ['Transfer-Encoding: chunked'], '10000000000000004\r\nbody\r\n0\r\n\r\n'],
    ['a chunk without CR LF', ['Transfer-Encoding: chunked'], '4\r\nbody0\r\n\r\n'],
    ['a chunk ended by a bare LF', ['Transfer-Encoding: chunked'], '4\nbody\n0\n\n'],
    ['a chunk size ended by a bare LF', ['Transfer-Encoding: chunked'], '4\nbody\r\n0\r\n\r\n'],
    ['a chunk size after a space', ['Transfer-Encoding: chunked'], ' 4\r\nbody\r\n0\r\n\r\n'],
    ['a chunk size before a space', ['Transfer-Encoding: chunked'], '4 \r\nbody\r\n0\r\n\r\n'],
    ['a chunk size with an underscore', ['Transfer-Encoding: chunked'], '4_0\r\nbody\r\n0\r\n\r\n'],
    ['a negative chunk size', ['Transfer-Encoding: chunked'], '-4\r\nbody\r\n0\r\n\r\n'],
    ['no chunk size', ['Transfer-Encoding: chunked'], '\r\nbody\r\n0\r\n\r\n'],
    ['a chunk longer than it says', ['Transfer-Encoding: chunked'], '4\r\nbodymore\r\n0\r\n\r\n'],
    ['a chunk ended by a bare CR', ['Transfer-Encoding: chunked'], '4\r\nbody\r0\r\n\r\n'],
    ['a last chunk ended by a bare LF', ['Transfer-Encoding: chunked'], '4\r\nbody\r\n0\n\n'],
    ['Content-Length in the trailers', ['Transfer-Encoding: chunked'], '0\r\nContent-Length: 30\r\n\r\n'],
    [
      'Transfer-Encoding in the trailers',
      ['Transfer-Encoding: chunked'],
      '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['a trailer ended by a bare LF', ['Transfer-Encoding: chunked'], '0\r\nX-A: a\n\n'],
    ['a trailer without a colon', ['Transfer-Encoding: chunked'], '0\r\nX-A\r\n\r\n'],
    ['a chunk extension with a bare CR', ['Transfer-Encoding: chunked'], '4;a\rb\r\nbody\r\n0\r\n\r\n'],
    ['a chunk extension with a bare LF', ['Transfer-Encoding: chunked'], '4;a\nb\r\nbody\r\n0\r\n\r\n'],
  ])(
    'is rejected with 400 and the connection closed for %s (standards: F4, F5)',
    async (_what, fields, body) => {
      const connection = await fixture.open();
      connection.write(fixture.head('POST /api/one HTTP/1.1', ...fields) + body);
      connection.write(smuggled.replace('HOST', fixture.host));
      await connection.ended;
      const responses = connection.pending().toString('latin1');
      expect(responses.match(/HTTP\/1\.1 \d{3}/g) ?? []).toEqual(['HTTP/1.1 400']);
      expect(fixture.upstream.requests.map(({ target }) => target)).not.toContain('/public/smuggled');
      for (const request of fixture.upstream.requests) {
        await request.over;
        expect(request.bodySha256).toBeUndefined();
      }
      connection.close();
    },
  );

  it.each([
    ['a bare LF after the request line', 'GET /public/one HTTP/1.1\nHost: HOST\n\n'],
    ['an unknown version', 'GET /public/one HTTP/1.2\r\nHost: HOST\r\n\r\n'],
    ['HTTP/2.0 spoken as HTTP/1', 'GET /public/one HTTP/2.0\r\nHost: HOST\r\n\r\n'],
    ['a version of three digits', 'GET /public/one HTTP/1.10\r\nHost: HOST\r\n\r\n'],
    ['a version with a leading zero', 'GET /public/one HTTP/01.1\r\nHost: HOST\r\n\r\n'],
    ['a protocol in lower case', 'GET /public/one http/1.1\r\nHost: HOST\r\n\r\n'],
    ['a space before the method', ' GET /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a space after the version', 'GET /public/one HTTP/1.1 \r\nHost: HOST\r\n\r\n'],
    ['a space between Host and its colon', 'GET /public/one HTTP/1.1\r\nHost : HOST\r\n\r\n'],
    ['a folded Host', 'GET /public/one HTTP/1.1\r\nHost:\r\n HOST\r\n\r\n'],
    [
      'chunked in HTTP/1.0',
      'POST /public/one HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'chunked on a keep-alive connection of HTTP/1.0',
      'POST /public/one HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['HTTP version 3.0', 'GET /public/one HTTP/3.0\r\nHost: HOST\r\n\r\n'],
    ['a space in the target', 'GET /public/one two HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a tab in the request line', 'GET\t/public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['no version', 'GET /public/one\r\nHost: HOST\r\n\r\n'],
    ['a space before the first field', 'GET /public/one HTTP/1.1\r\n Host: HOST\r\n\r\n'],
    ['an unknown method', 'GRAB /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a method in lower case', 'get /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['the HTTP/2 connection preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('is rejected with 400 for %s (standards: F5)', async (_what, request) => {
    expect(await statusOf(request.replace('HOST', fixture.host))).toBe(400);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    ['two Host fields', 'GET /public/one HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n'],
    ['a path with dot segments', 'GET /public/../one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['an absolute URL', 'GET http://HOST/public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    [
      'an empty list element in Transfer-Encoding',
      'POST /public/one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a Transfer-Encoding list on an endpoint that reads no body',
      'POST /auth/logout HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n',
    ],
  ])(
    'closes the connection after %s and serves no request that follows it (standards: F5)',
    async (_what, request) => {
      const connection = await fixture.open();
      connection.write((request + smuggled).replaceAll('HOST', fixture.host));
      await connection.ended;
      const responses = connection.pending().toString('latin1');
      expect(responses.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 400']);
      expect(responses).toContain('Connection: close');
      expect(fixture.upstream.requests).toEqual([]);
      connection.close();
    },
  );

  it('keeps requests on one connection separate when they are pipelined', async () => {
    const connection = await fixture.open();
    connection.write(
      fixture.head('POST /api/one HTTP/1.1', 'Content-Length: 4') +
        'body' +
        fixture.head('GET /api/two HTTP/1.1'),
    );
    for (const method of ['POST', 'GET']) expect((await connection.readResponse(method)).status).toBe(200);
    expect(fixture.upstream.requests.map(({ target, body }) => [target, body.toString()])).toEqual([
      ['/api/one', 'body'],
      ['/api/two', ''],
    ]);
    connection.close();
  });
});

describe('the method of a request', () => {
  it('is rejected with 405 and the allowed methods when the route does not allow it (standards: A16)', async () => {
    const refused = await fixture.send('POST /reading/one HTTP/1.1', ['Content-Length: 4'], 'body');
    expect([refused.status, codeOf(refused), refused.header('allow')]).toEqual([
      405,
      'method_not_allowed',
      'GET, HEAD',
    ]);
    expect(fixture.upstream.requests).toEqual([]);
    expect((await fixture.send('HEAD /reading/one HTTP/1.1')).status).toBe(200);
  });

  it('is not overridden by a header field', async () => {
    await fixture.send('GET /reading/one HTTP/1.1', [
      'X-HTTP-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
    ]);
    const { method, headers } = fixture.received();
    expect(method).toBe('GET');
    expect(namesOf(headers).filter((name) => name.includes('method'))).toEqual([]);
  });

  it('is rejected when it is TRACE or TRACK (standards: F19)', async () => {
    for (const path of ['/api/one', '/public/one', '/nothing']) {
      const response = await fixture.send(`TRACE ${path} HTTP/1.1`);
      expect([response.status, codeOf(response)]).toEqual([405, 'method_not_allowed']);
      expect(response.headers.some(([name]) => name.toLowerCase() === 'allow')).toBe(true);
      expect(response.body.toString()).not.toContain('Cookie');
    }
    expect(await statusOf(fixture.head('TRACK /api/one HTTP/1.1'))).toBe(400);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('is rejected with 405 and the allowed methods when it is uncommon', async () => {
    for (const method of ['PROPFIND', 'SEARCH', 'PURGE']) {
      const response = await fixture.send(`${method} /api/one HTTP/1.1`);
      expect([response.status, response.header('allow')]).toEqual([
        405,
        'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
      ]);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });
});

describe('the header limits', () => {
  it.each([
    ['a long request target', (head: string) => head.replace('/api/one', `/api/${'x'.repeat(20_000)}`)],
    [
      'a long header field',
      (head: string) => head.replace('\r\n\r\n', `\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`),
    ],
    ['a cookie of 64 KB', (head: string) => head.replace('Cookie: ', `Cookie: a=${'x'.repeat(65_536)}; `)],
    [
      '2,000 header fields',
      (head: string) =>
        head.replace(
          '\r\n\r\n',
          `\r\n${Array.from({ length: 2000 }, (_, at) => `X-${at}: 1`).join('\r\n')}\r\n\r\n`,
        ),
    ],
  ])('cause a 431 for %s and later requests succeed (standards: F22, F23)', async (_what, change) => {
    expect(await statusOf(change(fixture.head('GET /api/one HTTP/1.1')))).toBe(431);
    expect(fixture.upstream.requests).toEqual([]);
    expect((await fixture.send('GET /api/one HTTP/1.1')).status).toBe(200);
  });
});

it('a rejected request gets an uncached problem response with a request ID', async () => {
  const response = await fixture.send('GET /api/%2e%2e/one HTTP/1.1');
  expect([response.status, codeOf(response)]).toEqual([400, 'bad_request']);
  expect(response.header('content-type')).toBe('application/problem+json');
  expect(response.header('cache-control')).toBe('no-store');
  expect(response.header('x-content-type-options')).toBe('nosniff');
  expect(response.header('x-request-id')).toBe(JSON.parse(response.body.toString()).requestId);
});

it('operational paths on the public listener respond 404 (standards: F32)', async () => {
  for (const path of ['/metrics', '/livez', '/readyz', '/healthz', '/debug', '/sessions', '/.env']) {
    expect(await statusOf(fixture.head(`GET ${path} HTTP/1.1`))).toBe(404);
  }
});
