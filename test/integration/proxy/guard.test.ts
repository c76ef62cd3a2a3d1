import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { climbingPaths, foreignTargets, unusualTargets } from './hostile.ts';
import { namesOf, openStage, type Stage, codeOf } from './fixture.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage({
    routes: [
      { path: '/api/public', auth: 'none' },
      { path: '/stripped', stripPrefix: true },
      { path: '/reading', methods: ['GET', 'HEAD'] },
    ],
    config: { allowedHosts: ['other.example', 'port.example:8443'] },
  });
});

beforeEach(() => stage.reset());

afterAll(() => stage.close());

/** Sends a request as it stands, and gives the status of the answer, or `closed` when there was none. */
async function statusOf(request: string): Promise<number | 'closed'> {
  const connection = await stage.open();
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
    'is a path on this server, or refused: %s (standards: A14, F15, F16)',
    async (target) => {
      expect(await statusOf(stage.head(`GET ${target} HTTP/1.1`))).toBe(400);
      expect(stage.upstream.requests).toEqual([]);
    },
  );

  it('is not even one with the own name in it', async () => {
    expect(await statusOf(stage.head(`GET http://${stage.host}/api/one HTTP/1.1`))).toBe(400);
    expect(stage.upstream.requests).toEqual([]);
  });

  it('is no authority: nothing is tunnelled (standards: F15)', async () => {
    for (const target of ['evil.example:443', `127.0.0.1:${stage.upstream.port}`]) {
      expect(await statusOf(`CONNECT ${target} HTTP/1.1\r\nHost: ${stage.host}\r\n\r\n`)).toBe('closed');
    }
    expect(stage.upstream.requests).toEqual([]);
  });
});

describe('the path', () => {
  it.each([
    ...climbingPaths('/api'),
    '/api/public/../secret',
    '/api/public%2f..%2fsecret',
    '/api/public/..;/secret',
    '/stripped/../api/one',
    '/stripped/%2e%2e/api/one',
  ])(
    'is refused, not repaired, when a reader could see another in it: %s (standards: A15, F13, F14)',
    async (path) => {
      expect(await statusOf(stage.head(`GET ${path} HTTP/1.1`))).toBe(400);
      expect(stage.upstream.requests).toEqual([]);
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
  ])(
    'is refused when it would be of another route to a reader that decodes it: %s (standards: F13)',
    async (path) => {
      expect(await statusOf(stage.head(`GET ${path} HTTP/1.1`))).toBe(400);
      expect(stage.upstream.requests).toEqual([]);
    },
  );

  it.each(['/apifoo', '/API/one', '/ap', '/api.', '/api-two/x', '/', '/x/api/one', '/api%20/one'])(
    'is of no route unless it is under its prefix: %s (standards: F13)',
    async (path) => {
      expect(await statusOf(stage.head(`GET ${path} HTTP/1.1`))).toBe(404);
      expect(stage.upstream.requests).toEqual([]);
    },
  );

  it.each([...unusualTargets('/api'), '/api/secret?x=/api/public'])(
    'goes on byte for byte: %s (standards: F13)',
    async (target) => {
      expect(await statusOf(stage.head(`GET ${target} HTTP/1.1`))).toBe(200);
      expect(stage.received().target).toBe(target);
    },
  );

  it('alone tells whether a session is needed (standards: F14)', async () => {
    const anonymous = async (target: string, ...fields: string[]) =>
      statusOf(
        [
          `GET ${target} HTTP/1.1`,
          `Host: ${stage.host}`,
          'Sec-Fetch-Site: same-origin',
          ...fields,
          '',
          '',
        ].join('\r\n'),
      );
    expect(await anonymous('/api/public/one')).toBe(200);
    stage.reset();
    expect(await anonymous('/api/secret?x=/api/public')).toBe(401);
    expect(await anonymous('/api/secret', 'User-Agent: GoogleHC/1.0')).toBe(401);
    expect(
      await anonymous('/api/secret', 'X-Forwarded-Uri: /api/public/one', 'X-Original-URL: /api/public/one'),
    ).toBe(401);
    expect(
      await anonymous('/api/secret', 'Referer: /api/public/one', 'X-HTTP-Method-Override: OPTIONS'),
    ).toBe(401);
    expect(stage.upstream.requests).toEqual([]);
  });
});

describe('Host', () => {
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
  ])('is one that is served here, or the answer is 421: %s (standards: F17)', async (host) => {
    expect(await statusOf(get(host))).toBe(421);
    expect(stage.upstream.requests).toEqual([]);
  });

  it('is served exactly as configured, in whatever case', async () => {
    for (const host of [stage.host, 'other.example', 'OTHER.example', 'port.example:8443']) {
      expect(await statusOf(get(`Host: ${host}`))).toBe(200);
      expect(stage.received().header('host')).toBe(new URL(stage.upstream.url).host);
    }
  });

  it('is there once', async () => {
    expect(await statusOf(get())).toBe(400);
    expect(await statusOf(get(`Host: ${stage.host}`, `Host: ${stage.host}`))).toBe(400);
    expect(await statusOf(get(`Host: ${stage.host}`, 'Host: evil.example'))).toBe(400);
    expect(await statusOf('GET /public/one HTTP/1.0\r\n\r\n')).toBe(421);
    expect(stage.upstream.requests).toEqual([]);
  });

  it('builds no redirect and no name that the upstream hears (standards: F8)', async () => {
    const forwarded = ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 1'];
    const login = await stage.send('GET /auth/login HTTP/1.1', [...forwarded, 'Sec-Fetch-Mode: navigate']);
    const location = new URL(login.header('location') ?? '');
    expect(location.searchParams.get('redirect_uri')).toBe(`${stage.gateway.url}/auth/callback`);
    expect(login.headers.flat().join()).not.toContain('evil.example');
  });
});

describe('the framing of a request', () => {
  const smuggled = `GET /public/smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n`;

  it.each([
    ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], '0\r\n\r\n'],
    ['two lengths that differ', ['Content-Length: 4', 'Content-Length: 5'], 'body'],
    ['two lengths that agree', ['Content-Length: 4', 'Content-Length: 4'], 'body'],
    ['a list of lengths', ['Content-Length: 4, 4'], 'body'],
    ['a length with a sign', ['Content-Length: +4'], 'body'],
    ['a negative length', ['Content-Length: -4'], 'body'],
    ['a hexadecimal length', ['Content-Length: 0x4'], 'body'],
    ['a length with letters', ['Content-Length: 4a'], 'body'],
    ['a length beyond all bounds', ['Content-Length: 99999999999999999999'], 'body'],
    ['an empty length', ['Content-Length:'], 'body'],
    ['an unknown transfer coding', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
    ['chunks that are not the last coding', ['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'],
    ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['chunks and identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    ['identity', ['Transfer-Encoding: identity'], ''],
    ['an empty transfer coding', ['Transfer-Encoding:'], '0\r\n\r\n'],
    ['a quoted transfer coding', ['Transfer-Encoding: "chunked"'], '0\r\n\r\n'],
    ['a tab before the coding and a vertical one', ['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
    ['a space before the colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n'],
    ['a space before the length', ['Content-Length : 4'], 'body'],
    ['a folded field', ['X-A: a', ' Content-Length: 4'], ''],
    ['a folded coding', ['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
    ['a bare LF in the head', ['X-A: a\nTransfer-Encoding: chunked'], '0\r\n\r\n'],
    ['a bare CR in the head', ['X-A: a\rTransfer-Encoding: chunked'], '0\r\n\r\n'],
    ['nothing before the coding', ['Transfer-Encoding: , chunked'], '0\r\n\r\n'],
    ['nothing after the coding', ['Transfer-Encoding: chunked,'], '0\r\n\r\n'],
    ['identity before chunks', ['Transfer-Encoding: identity, chunked'], '0\r\n\r\n'],
    ['a parameter of the coding', ['Transfer-Encoding: chunked;a=b'], '0\r\n\r\n'],
    ['a space that is none before the coding', ['Transfer-Encoding: \xa0chunked'], '0\r\n\r\n'],
    ['a tab before the colon', ['Transfer-Encoding\t: chunked'], '0\r\n\r\n'],
    ['a length with an underscore', ['Content-Length: 4_0'], 'body'],
    ['a length with a fraction', ['Content-Length: 4.0'], 'body'],
    ['a length with an exponent', ['Content-Length: 4e0'], 'body'],
    ['a length of two numbers', ['Content-Length: 4 4'], 'body'],
    ['a length after a vertical tab', ['Content-Length: \x0b4'], 'body'],
    ['a field folded by a tab', ['X-A: a', '\tContent-Length: 4'], ''],
    ['two CRs at the end of a field', ['X-A: a\r'], ''],
    ['a CR before a field', ['\rX-A: a'], ''],
    ['a LF before a field', ['\nX-A: a'], ''],
    ['a CR in place of a value', ['X-A:\rContent-Length: 30'], ''],
    ['a space in a name', ['X A: a'], ''],
    ['a letter beyond ASCII in a name', ['X\xe9A: a'], ''],
    ['a slash in a name', ['X/A: a'], ''],
    ['an escape in a value', ['X-A: \x1b[31m'], ''],
    ['a DEL in a value', ['X-A: \x7f'], ''],
    ['a NUL in the head', ['X-A: a\0b'], ''],
    ['a NUL in a name', ['X\0A: a'], ''],
    ['a field without a colon', ['X-A'], ''],
    ['a field without a name', [': a'], ''],
    ['a chunk size that is none', ['Transfer-Encoding: chunked'], 'x\r\n\r\n0\r\n\r\n'],
    ['a chunk size with a sign', ['Transfer-Encoding: chunked'], '+4\r\nbody\r\n0\r\n\r\n'],
    ['a chunk size with a prefix', ['Transfer-Encoding: chunked'], '0x4\r\nbody\r\n0\r\n\r\n'],
    ['a chunk size that overflows', ['Transfer-Encoding: chunked'], '10000000000000004\r\nbody\r\n0\r\n\r\n'],
    ['a chunk without its end', ['Transfer-Encoding: chunked'], '4\r\nbody0\r\n\r\n'],
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
    ['a length in the trailers', ['Transfer-Encoding: chunked'], '0\r\nContent-Length: 30\r\n\r\n'],
    ['a coding in the trailers', ['Transfer-Encoding: chunked'], '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a trailer ended by a bare LF', ['Transfer-Encoding: chunked'], '0\r\nX-A: a\n\n'],
    ['a trailer without a colon', ['Transfer-Encoding: chunked'], '0\r\nX-A\r\n\r\n'],
    ['a chunk extension with a bare CR', ['Transfer-Encoding: chunked'], '4;a\rb\r\nbody\r\n0\r\n\r\n'],
    ['a chunk extension with a bare LF', ['Transfer-Encoding: chunked'], '4;a\nb\r\nbody\r\n0\r\n\r\n'],
  ])('is refused and the connection closed, with %s (standards: F4, F5)', async (_what, fields, body) => {
    const connection = await stage.open();
    connection.write(stage.head('POST /api/one HTTP/1.1', ...fields) + body);
    connection.write(smuggled.replace('HOST', stage.host));
    await connection.ended;
    const answers = connection.pending().toString('latin1');
    expect(answers.match(/HTTP\/1\.1 \d{3}/g) ?? []).toEqual(['HTTP/1.1 400']);
    expect(stage.upstream.requests.map(({ target }) => target)).not.toContain('/public/smuggled');
    for (const request of stage.upstream.requests) {
      await request.over;
      expect(request.bodySha256).toBeUndefined();
    }
    connection.close();
  });

  it.each([
    ['a bare LF after the request line', 'GET /public/one HTTP/1.1\nHost: HOST\n\n'],
    ['an unknown version', 'GET /public/one HTTP/1.2\r\nHost: HOST\r\n\r\n'],
    ['HTTP/2.0 spoken as HTTP/1', 'GET /public/one HTTP/2.0\r\nHost: HOST\r\n\r\n'],
    ['a version of three digits', 'GET /public/one HTTP/1.10\r\nHost: HOST\r\n\r\n'],
    ['a version with a zero before it', 'GET /public/one HTTP/01.1\r\nHost: HOST\r\n\r\n'],
    ['a protocol in lower case', 'GET /public/one http/1.1\r\nHost: HOST\r\n\r\n'],
    ['a space before the method', ' GET /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a space after the version', 'GET /public/one HTTP/1.1 \r\nHost: HOST\r\n\r\n'],
    ['a space between Host and its colon', 'GET /public/one HTTP/1.1\r\nHost : HOST\r\n\r\n'],
    ['a folded Host', 'GET /public/one HTTP/1.1\r\nHost:\r\n HOST\r\n\r\n'],
    [
      'chunks in HTTP/1.0',
      'POST /public/one HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'chunks on a lasting connection of HTTP/1.0',
      'POST /public/one HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a version of the future', 'GET /public/one HTTP/3.0\r\nHost: HOST\r\n\r\n'],
    ['a space in the target', 'GET /public/one two HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a tab in the request line', 'GET\t/public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['no version', 'GET /public/one\r\nHost: HOST\r\n\r\n'],
    ['a space before the first field', 'GET /public/one HTTP/1.1\r\n Host: HOST\r\n\r\n'],
    ['an unknown method', 'GRAB /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a method in lower case', 'get /public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('is refused with %s (standards: F5)', async (_what, request) => {
    expect(await statusOf(request.replace('HOST', stage.host))).toBe(400);
    expect(stage.upstream.requests).toEqual([]);
  });

  it.each([
    ['two Hosts', 'GET /public/one HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n'],
    ['a path that climbs', 'GET /public/../one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    ['a whole URL', 'GET http://HOST/public/one HTTP/1.1\r\nHost: HOST\r\n\r\n'],
    [
      'a coding in a list',
      'POST /public/one HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a coding where no body is read',
      'POST /auth/logout HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n',
    ],
  ])(
    'serves nothing that comes behind %s, and closes the connection (standards: F5)',
    async (_what, request) => {
      const connection = await stage.open();
      connection.write((request + smuggled).replaceAll('HOST', stage.host));
      await connection.ended;
      const answers = connection.pending().toString('latin1');
      expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 400']);
      expect(answers).toContain('Connection: close');
      expect(stage.upstream.requests).toEqual([]);
      connection.close();
    },
  );

  it('keeps requests on one connection apart, sent together or not', async () => {
    const connection = await stage.open();
    connection.write(
      stage.head('POST /api/one HTTP/1.1', 'Content-Length: 4') +
        'body' +
        stage.head('GET /api/two HTTP/1.1'),
    );
    for (const method of ['POST', 'GET']) expect((await connection.readResponse(method)).status).toBe(200);
    expect(stage.upstream.requests.map(({ target, body }) => [target, body.toString()])).toEqual([
      ['/api/one', 'body'],
      ['/api/two', ''],
    ]);
    connection.close();
  });
});

describe('the method', () => {
  it('is one of the route, or the answer is 405 and names those (standards: A16)', async () => {
    const refused = await stage.send('POST /reading/one HTTP/1.1', ['Content-Length: 4'], 'body');
    expect([refused.status, codeOf(refused), refused.header('allow')]).toEqual([
      405,
      'method_not_allowed',
      'GET, HEAD',
    ]);
    expect(stage.upstream.requests).toEqual([]);
    expect((await stage.send('HEAD /reading/one HTTP/1.1')).status).toBe(200);
  });

  it('is not changed by a header', async () => {
    await stage.send('GET /reading/one HTTP/1.1', [
      'X-HTTP-Method-Override: DELETE',
      'X-HTTP-Method: DELETE',
    ]);
    const { method, headers } = stage.received();
    expect(method).toBe('GET');
    expect(namesOf(headers).filter((name) => name.includes('method'))).toEqual([]);
  });

  it('is never TRACE or TRACK, which would show the token (standards: F19)', async () => {
    for (const path of ['/api/one', '/public/one', '/nothing']) {
      const answer = await stage.send(`TRACE ${path} HTTP/1.1`);
      expect([answer.status, codeOf(answer)]).toEqual([405, 'method_not_allowed']);
      expect(answer.headers.some(([name]) => name.toLowerCase() === 'allow')).toBe(true);
      expect(answer.body.toString()).not.toContain('Cookie');
    }
    expect(await statusOf(stage.head('TRACK /api/one HTTP/1.1'))).toBe(400);
    expect(stage.upstream.requests).toEqual([]);
  });

  it('may be one that few clients know', async () => {
    for (const method of ['PROPFIND', 'SEARCH', 'PURGE']) {
      const answer = await stage.send(`${method} /api/one HTTP/1.1`);
      expect([answer.status, answer.header('allow')]).toEqual([
        405,
        'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
      ]);
    }
    expect(stage.upstream.requests).toEqual([]);
  });
});

describe('the limits', () => {
  it.each([
    ['a long target', (head: string) => head.replace('/api/one', `/api/${'x'.repeat(20_000)}`)],
    ['a long field', (head: string) => head.replace('\r\n\r\n', `\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`)],
    ['a cookie of 64 KB', (head: string) => head.replace('Cookie: ', `Cookie: a=${'x'.repeat(65_536)}; `)],
    [
      '2,000 fields',
      (head: string) =>
        head.replace(
          '\r\n\r\n',
          `\r\n${Array.from({ length: 2000 }, (_, at) => `X-${at}: 1`).join('\r\n')}\r\n\r\n`,
        ),
    ],
  ])('give 431 for %s, and others are served (standards: F22, F23)', async (_what, change) => {
    expect(await statusOf(change(stage.head('GET /api/one HTTP/1.1')))).toBe(431);
    expect(stage.upstream.requests).toEqual([]);
    expect((await stage.send('GET /api/one HTTP/1.1')).status).toBe(200);
  });
});

it('answers a refusal as a problem that tells nothing of the upstream and is never stored', async () => {
  const answer = await stage.send('GET /api/%2e%2e/one HTTP/1.1');
  expect([answer.status, codeOf(answer)]).toEqual([400, 'bad_request']);
  expect(answer.header('content-type')).toBe('application/problem+json');
  expect(answer.header('cache-control')).toBe('no-store');
  expect(answer.header('x-content-type-options')).toBe('nosniff');
  expect(answer.header('x-request-id')).toBe(JSON.parse(answer.body.toString()).requestId);
});

it('says nothing of the inside on the public listener (standards: F32)', async () => {
  for (const path of ['/metrics', '/livez', '/readyz', '/healthz', '/debug', '/sessions', '/.env']) {
    expect(await statusOf(stage.head(`GET ${path} HTTP/1.1`))).toBe(404);
  }
});
