import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../../testkit/network/header-list.ts';
import { rawRequest } from '../../../../testkit/network/raw-client.ts';
import { ambiguousFields, forbiddenFields } from '../hostile.ts';
import { type Fixture, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/cookies', cookies: { toUpstream: ['lang'] } },
      {
        path: '/fields',
        requestHeaders: {
          set: { 'X-Api-Key': 'of the gateway', 'X-Forwarded-Proto': 'https' },
          remove: ['X-Removed', 'X-Request-Id'],
        },
      },
    ],
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

describe('a request to the upstream', () => {
  it('carries one bearer token, the forwarding fields and no cookie', async () => {
    const response = await fixture.send('GET /api/one?x=1 HTTP/1.1', [
      'Accept: application/json',
      'X-Custom: kept',
    ]);
    const { target, headers, header, bearer } = fixture.received();
    expect(target).toBe('/api/one?x=1');
    expect(fixture.provider.isAccessTokenActive(bearer ?? '')).toBe(true);
    expect(valuesOf(headers, 'authorization')).toHaveLength(1);
    expect(header('host')).toBe(new URL(fixture.upstream.url).host);
    expect(header('x-forwarded-for')).toBe('127.0.0.1');
    expect(header('x-forwarded-host')).toBe(fixture.host);
    expect(header('x-forwarded-proto')).toBe('http');
    expect(header('x-custom')).toBe('kept');
    expect(header('accept')).toBe('application/json');
    expect(namesOf(headers)).not.toContain('cookie');
    // The same identifier upstream, in the response and in the log.
    const requestId = header('x-request-id') ?? '';
    expect(requestId).toMatch(/^[\w-]{16,}$/);
    expect(response.header('x-request-id')).toBe(requestId);
    await expect
      .poll(() => lineOf(requestId))
      .toMatchObject({ path: '/api/one', route: '/api', status: 200 });
  });

  it('carries no field that only the gateway may set (standards: F3, F6, F9, A17, B16)', async () => {
    await fixture.send('GET /api/one HTTP/1.1', forbiddenFields);
    const { headers, header, bearer } = fixture.received();
    expect(namesOf(headers).toSorted()).toEqual([
      'authorization',
      'connection',
      'host',
      'sec-fetch-site',
      'traceparent',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
    ]);
    expect(bearer).not.toContain('attacker');
    expect(header('x-forwarded-for')).toBe('127.0.0.1');
    expect(header('x-forwarded-host')).toBe(fixture.host);
    expect(header('x-request-id')).not.toContain('chosen');
  });

  it('carries one Authorization field when the client sends two', async () => {
    await fixture.send('GET /api/one HTTP/1.1', ['Authorization: Bearer a', 'authorization: Bearer b']);
    const { headers, bearer } = fixture.received();
    expect(valuesOf(headers, 'authorization')).toEqual([`Bearer ${bearer}`]);
    expect(fixture.provider.isAccessTokenActive(bearer ?? '')).toBe(true);
  });

  it('carries no Authorization field of the client on routes without a token (standards: F9)', async () => {
    for (const path of ['/public/one', '/optional/one']) {
      await rawRequest(
        fixture.gateway.port,
        `GET ${path} HTTP/1.1\r\nHost: ${fixture.host}\r\nSec-Fetch-Site: same-origin\r\nAuthorization: Bearer attacker\r\n\r\n`,
      );
      expect(namesOf(fixture.received().headers)).not.toContain('authorization');
    }
    await fixture.send('GET /public/one HTTP/1.1', ['Authorization: Bearer attacker']);
    expect(namesOf(fixture.received().headers)).not.toContain('authorization');
  });

  it.each(ambiguousFields)(
    'carries no field whose name another server could read differently: %s (standards: F7, F23)',
    async (field) => {
      expect((await fixture.send('GET /api/one HTTP/1.1', [field])).status).toBe(200);
      const [name = ''] = field.split(':');
      expect(namesOf(fixture.received().headers)).not.toContain(name.toLowerCase());
    },
  );

  it('drops the fields that Connection names in any case and over several lines (standards: F1)', async () => {
    await fixture.send('GET /api/one HTTP/1.1', [
      'Connection: close, X-Custom',
      'Connection: ,,  x-SECOND ,',
      'Connection:',
      'X-Custom: 1',
      'X-Second: 2',
      'X-Third: 3',
    ]);
    const { headers } = fixture.received();
    expect(namesOf(headers)).not.toContain('x-custom');
    expect(namesOf(headers)).not.toContain('x-second');
    expect(valuesOf(headers, 'x-third')).toEqual(['3']);
    expect(valuesOf(headers, 'connection')).toEqual(['keep-alive']);
  });

  it('keeps the fields of the gateway when Connection names them (standards: F2)', async () => {
    const nominated =
      'authorization, x-forwarded-for, x-forwarded-host, x-request-id, traceparent, cookie, host, content-length, transfer-encoding';
    await fixture.send('POST /api/one HTTP/1.1', [`Connection: ${nominated}`, 'Content-Length: 4'], 'body');
    const { headers, header, bearer, bodyBytes } = fixture.received();
    expect(fixture.provider.isAccessTokenActive(bearer ?? '')).toBe(true);
    expect(header('x-forwarded-for')).toBe('127.0.0.1');
    expect(header('x-forwarded-host')).toBe(fixture.host);
    expect(header('x-request-id')).toBeDefined();
    expect(header('traceparent')).toBeDefined();
    expect(header('host')).toBe(new URL(fixture.upstream.url).host);
    expect(header('content-length')).toBe('4');
    expect(bodyBytes).toBe(4);
    expect(namesOf(headers)).not.toContain('cookie');
  });

  it('keeps repeated fields in order and non-ASCII bytes unchanged', async () => {
    await fixture.send('GET /api/one HTTP/1.1', [
      'X-List: a',
      'X-Other: \xe9\xff',
      'x-list: b, c',
      'Accept: a/b',
      'Accept: c/d',
    ]);
    const { headers } = fixture.received();
    expect(valuesOf(headers, 'x-list')).toEqual(['a', 'b, c']);
    expect(valuesOf(headers, 'accept')).toEqual(['a/b', 'c/d']);
    expect(valuesOf(headers, 'x-other')).toEqual(['\xe9\xff']);
  });

  it('continues the trace of the client or starts a new one', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    await fixture.send('GET /api/one HTTP/1.1', [
      `traceparent: 00-${trace}-00f067aa0ba902b7-00`,
      'tracestate: a=1',
    ]);
    const continued = fixture.received();
    expect(continued.header('traceparent')).toMatch(
      new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-00$`),
    );
    expect(continued.header('tracestate')).toBe('a=1');

    await fixture.send('GET /api/one HTTP/1.1', ['traceparent: 00-nonsense']);
    const begun = fixture.received().headers;
    expect(valuesOf(begun, 'traceparent')).toEqual([
      expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    ]);
  });

  it('never carries the token in its target (standards: B12)', async () => {
    await fixture.send('GET /api/one?access_token=mine HTTP/1.1');
    const { target, bearer } = fixture.received();
    expect(target).toBe('/api/one?access_token=mine');
    expect(target).not.toContain(bearer);
  });
});

it('X-Forwarded-For names the rightmost address that is not a trusted proxy (standards: A22, F8)', async () => {
  const behind = await openFixture({ config: { trustProxy: ['127.0.0.1', '10.0.0.0/8'] } });
  for (const [said, expected] of [
    [['6.6.6.6, 203.0.113.9, 10.1.2.3'], '203.0.113.9'],
    [['6.6.6.6', '203.0.113.9'], '203.0.113.9'],
    [['10.1.2.3'], '10.1.2.3'],
    [['6.6.6.6, not an address'], '127.0.0.1'],
    [[], '127.0.0.1'],
  ] as const) {
    await behind.send(
      'GET /api/one HTTP/1.1',
      said.map((value) => `X-Forwarded-For: ${value}`),
    );
    const { headers } = behind.received();
    expect(valuesOf(headers, 'x-forwarded-for')).toEqual([expected]);
    expect(valuesOf(headers, 'x-forwarded-host')).toEqual([behind.host]);
  }
  await behind.close();
});

describe('the cookies that a route forwards', () => {
  it('are selected by exact name and never include the session cookie', async () => {
    const cookies = 'lang=de; theme=dark; LANG=en; langx=1; =lang=nameless; lang2; xlang=1';
    await fixture.send('GET /cookies/one HTTP/1.1', [`Cookie: ${cookies}`, 'Cookie: lang="fr"']);
    const { headers } = fixture.received();
    expect(valuesOf(headers, 'cookie')).toEqual(['lang=de; lang="fr"']);
  });

  it('cause no Cookie field when none is selected', async () => {
    await fixture.send('GET /cookies/one HTTP/1.1', ['Cookie: theme=dark']);
    expect(namesOf(fixture.received().headers)).not.toContain('cookie');
  });
});

describe('the header fields that a route sets and removes', () => {
  it('replace what the client or the gateway would send', async () => {
    await fixture.send('GET /fields/one HTTP/1.1', [
      'X-Api-Key: of the client',
      'X-Removed: 1',
      'Connection: x-api-key',
    ]);
    const { headers } = fixture.received();
    expect(valuesOf(headers, 'x-api-key')).toEqual(['of the gateway']);
    expect(valuesOf(headers, 'x-forwarded-proto')).toEqual(['https']);
    expect(valuesOf(headers, 'x-request-id')).toEqual([]);
    expect(namesOf(headers)).not.toContain('x-removed');
  });
});

it('no token reaches the browser or the log in these tests', () => {
  expect(fixture.leaks()).toEqual([]);
});

function lineOf(requestId: string): unknown {
  const lines = fixture.gateway.logs().split('\n');
  const line = lines.find((each) => each.includes(requestId) && each.includes('"msg":"request"'));
  return line === undefined ? undefined : JSON.parse(line);
}
