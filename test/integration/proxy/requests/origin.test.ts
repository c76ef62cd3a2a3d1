import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rawRequest } from '../../../../testkit/network/raw-client.ts';
import { type Fixture, respondingWith, codeOf, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;
/** One whose pages send the static header with every request. */
let strict: Fixture;

beforeAll(async () => {
  const routes = [{ path: '/with-cookies', auth: 'none', cookies: { toUpstream: ['lang'] } }];
  [fixture, strict] = await Promise.all([
    openFixture({ routes }),
    openFixture({ routes, config: { csrf: { mode: 'header' } } }),
  ]);
});

beforeEach(() => {
  fixture.reset();
  strict.reset();
});

afterAll(() => Promise.all([fixture.close(), strict.close()]));

/** Sends a request with the session cookie and only these fields. */
function send({ gateway, host, ticket }: Fixture, requestLine: string, fields: readonly string[]) {
  const head = [requestLine, `Host: ${host}`, `Cookie: ${ticket}`, ...fields, '', ''];
  return rawRequest(gateway.port, head.join('\r\n'));
}

const SAME = 'Sec-Fetch-Site: same-origin';
const NONE = 'Sec-Fetch-Site: none';
const HEADER = 'X-CSRF: 1';
const own = (of: Fixture) => `Origin: ${of.gateway.url}`;
const foreign = [
  'https://evil.example',
  'null',
  'http://127.0.0.1',
  'http://127.0.0.1:1',
  'https://app.example.evil',
  'http://127.0.0.1.evil.example',
];

describe('a request to an API route is accepted', () => {
  it('from a page of the same origin with any method', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const fields of [[SAME], [SAME, own(fixture)]]) {
        expect((await send(fixture, `${method} /api/one HTTP/1.1`, fields)).status).toBe(200);
        expect(fixture.received().bearer).toBeDefined();
      }
    }
  });

  it('from the address bar only with a safe method', async () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect((await send(fixture, `${method} /api/one HTTP/1.1`, [NONE])).status).toBe(200);
    }
    fixture.reset();
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const refused = await send(fixture, `${method} /api/one HTTP/1.1`, [NONE]);
      expect([refused.status, codeOf(refused)]).toEqual([403, 'csrf_rejected']);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('from a client without fetch metadata that sends the CSRF header', async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect((await send(fixture, `${method} /api/one HTTP/1.1`, [HEADER])).status).toBe(200);
      expect(fixture.received().bearer).toBeDefined();
    }
  });
});

describe('a request to an API route is rejected and never reaches the upstream', () => {
  it.each([
    [['Sec-Fetch-Site: cross-site']],
    [['Sec-Fetch-Site: cross-site', HEADER]],
    [['Sec-Fetch-Site: same-site']],
    [['Sec-Fetch-Site: same-site', HEADER]],
    [['Sec-Fetch-Site: SAME-ORIGIN']],
    [['Sec-Fetch-Site: same-origin-ish']],
    [['Sec-Fetch-Site:']],
    [[SAME, 'Sec-Fetch-Site: cross-site']],
    [[SAME, SAME]],
    [[]],
    [['X-CSRF: 0']],
    [['X-CSRF: true']],
    [['X-CSRF: 1, 1']],
    [[HEADER, HEADER]],
    [['X-CSRF:']],
    [['X_CSRF: 1']],
  ])('with %j (standards: A10, A11, A13)', async (fields) => {
    for (const [method, path] of [
      ['GET', '/api/one'],
      ['POST', '/api/one'],
      ['POST', '/optional/one'],
      ['POST', '/with-cookies/one'],
    ]) {
      const refused = await send(fixture, `${method} ${path} HTTP/1.1`, fields);
      expect([refused.status, codeOf(refused)]).toEqual([403, 'csrf_rejected']);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each(foreign)(
    'with the Origin %s regardless of its other fields (standards: A10, A12, A13)',
    async (origin) => {
      for (const fields of [[SAME], [HEADER], [SAME, HEADER], [NONE]]) {
        for (const method of ['GET', 'POST', 'OPTIONS']) {
          const refused = await send(fixture, `${method} /api/one HTTP/1.1`, [
            ...fields,
            `Origin: ${origin}`,
          ]);
          expect([refused.status, codeOf(refused)]).toEqual([403, 'origin_rejected']);
        }
      }
      const doubled = await send(fixture, 'GET /api/one HTTP/1.1', [SAME, own(fixture), `Origin: ${origin}`]);
      expect(doubled.status).toBe(403);
      expect(fixture.upstream.requests).toEqual([]);
    },
  );

  it('before its session is loaded', async () => {
    const cross = ['GET /api/one HTTP/1.1', `Host: ${fixture.host}`, 'Sec-Fetch-Site: cross-site', '', ''];
    expect((await rawRequest(fixture.gateway.port, cross.join('\r\n'))).status).toBe(403);
  });

  it('when it fetches a service worker script (standards: F12)', async () => {
    for (const path of ['/api/worker.js', '/public/worker.js']) {
      const refused = await send(fixture, `GET ${path} HTTP/1.1`, [
        SAME,
        'Service-Worker: script',
        'Sec-Fetch-Dest: serviceworker',
      ]);
      expect([refused.status, codeOf(refused)]).toEqual([403, 'csrf_rejected']);
    }
    expect(fixture.upstream.requests).toEqual([]);
  });
});

describe('with `csrf.mode: header`', () => {
  it('every request needs the CSRF header in addition to same-origin metadata (standards: A11)', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      for (const fields of [
        [SAME],
        [NONE],
        [SAME, own(strict)],
        [SAME, 'X-CSRF: 2'],
        [SAME, HEADER, HEADER],
      ]) {
        const refused = await send(strict, `${method} /api/one HTTP/1.1`, fields);
        expect(refused.status).toBe(403);
      }
      expect(strict.upstream.requests).toEqual([]);
      expect((await send(strict, `${method} /api/one HTTP/1.1`, [SAME, HEADER])).status).toBe(200);
      expect((await send(strict, `${method} /api/one HTTP/1.1`, [HEADER])).status).toBe(200);
      strict.reset();
    }
  });

  it('the CSRF header does not admit a request from another site', async () => {
    for (const fields of [
      ['Sec-Fetch-Site: cross-site', HEADER],
      ['Sec-Fetch-Site: same-site', HEADER],
      [SAME, HEADER, 'Origin: https://evil.example'],
    ]) {
      expect((await send(strict, 'GET /api/one HTTP/1.1', fields)).status).toBe(403);
    }
    expect(strict.upstream.requests).toEqual([]);
  });
});

describe('the response to a CORS preflight', () => {
  it.each([...foreign, 'own'])(
    'contains no CORS header for the origin %s (standards: A12)',
    async (origin) => {
      const generous = {
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': '*',
        'access-control-allow-headers': '*',
      };
      fixture.upstream.respond(respondingWith(generous, 204));
      for (const path of [
        '/api/one',
        '/optional/one',
        '/public/one',
        '/with-cookies/one',
        '/auth/session',
        '/nothing',
      ]) {
        const preflight = [
          origin === 'own' ? own(fixture) : `Origin: ${origin}`,
          'Access-Control-Request-Method: PUT',
          'Access-Control-Request-Headers: x-csrf',
          'Sec-Fetch-Site: cross-site',
        ];
        const response = await send(fixture, `OPTIONS ${path} HTTP/1.1`, preflight);
        expect(namesOf(response.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
      }
      // Only the route without a credential has asked its upstream.
      expect(fixture.upstream.requests.map(({ target, bearer }) => [target, bearer])).toEqual([
        ['/public/one', undefined],
      ]);
    },
  );
});

describe('a route without credentials', () => {
  it('accepts requests from every site and forwards no token or cookie', async () => {
    for (const fields of [[], ['Sec-Fetch-Site: cross-site'], [SAME], ['Origin: https://evil.example']]) {
      expect((await send(fixture, 'POST /public/one HTTP/1.1', fields)).status).toBe(200);
      const { headers } = fixture.received();
      expect(namesOf(headers).filter((name) => name === 'authorization' || name === 'cookie')).toEqual([]);
    }
  });

  it('applies the CSRF check as soon as it forwards a cookie', async () => {
    const cookie = 'Cookie: lang=de';
    expect(
      (await send(fixture, 'POST /with-cookies/one HTTP/1.1', ['Sec-Fetch-Site: cross-site', cookie])).status,
    ).toBe(403);
    expect(fixture.upstream.requests).toEqual([]);
    expect((await send(fixture, 'POST /with-cookies/one HTTP/1.1', [SAME, cookie])).status).toBe(200);
    expect(fixture.received().header('cookie')).toBe('lang=de');
  });
});
