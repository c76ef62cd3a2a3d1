import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UPGRADE } from '../integration/proxy/websockets/handshake.ts';
import { type Fixture, codeOf, namesOf, openFixture, sha256 } from '../integration/proxy/fixture.ts';
import { valuesOf } from '../../testkit/network/header-list.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import { startRedis } from '../../testkit/redis/redis-server.ts';
import { openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Upstream, startUpstream } from '../../testkit/upstream/upstream.ts';

let fixture: Fixture;
let devServer: Upstream;

beforeAll(async () => {
  devServer = await startUpstream();
  fixture = await openFixture({
    rawRoutes: [{ path: '/raw', websocket: true }],
    config: { spa: { devServer: devServer.url } },
  });
});

beforeEach(() => {
  fixture.reset();
  fixture.upstream.upgrades.length = 0;
  devServer.upgrades.length = 0;
  fixture.raw.received.length = 0;
});

afterAll(async () => {
  await fixture.close();
  await devServer.close();
});

const expectService = async () => expect((await fixture.send('GET /api/after HTTP/1.1')).status).toBe(200);

describe('a smuggled request inside another request', () => {
  const smuggled = 'GET /public/smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n';

  it.each([
    ['CVE-2024-27982', 'whitespace before Content-Length', 'POST', ['X-A: a\r\n Content-Length: 52'], ''],
    ['CVE-2024-27982', 'whitespace before the first header field', 'POST', [], ' Content-Length: 52\r\n\r\n'],
    ['CVE-2025-23167', 'header section ending in CR LF CR', 'POST', [], '\r\n\rX'],
    ['CVE-2022-35256', 'header field without a line ending', 'POST', ['X-A: a\rContent-Length: 52'], ''],
    ['CVE-2022-32214', 'header fields ending in a bare LF', 'POST', ['X-A: a\nContent-Length: 52'], ''],
    [
      'CVE-2022-32215',
      'Transfer-Encoding folded over two lines',
      'POST',
      ['Transfer-Encoding: chunked\r\n , identity'],
      '0\r\n\r\n',
    ],
    [
      'CVE-2022-32215',
      'two Transfer-Encoding fields',
      'POST',
      ['Transfer-Encoding: chunked', 'Transfer-Encoding: x'],
      '0\r\n\r\n',
    ],
    ['CVE-2023-30589', 'empty header field ending in a bare CR', 'POST', ['X-A:\rContent-Length: 52'], ''],
    ['CVE-2020-8201', 'bare CR inside the name Content-Length', 'POST', ['Content\rLength: 52'], ''],
  ])('is not read as a request, %s: %s (standards: F5)', async (_id, _what, method, fields, rest) => {
    const connection = await fixture.open();
    const isHeadOpen = rest.startsWith(' ') || rest.startsWith('\r\n\r');
    const head = fixture.head(`${method} /api/one HTTP/1.1`, ...fields);
    connection.write((isHeadOpen ? head.slice(0, -2) : head) + rest + smuggled.replace('HOST', fixture.host));
    await connection.ended;
    expect(
      connection
        .pending()
        .toString('latin1')
        .match(/HTTP\/1\.1 \d{3}/g),
    ).toEqual(['HTTP/1.1 400']);
    expect(fixture.upstream.requests.filter(({ target }) => target.includes('smuggled'))).toEqual([]);
    connection.close();
  });

  it('is not created by two Content-Length fields from a client or an API (CVE-2026-1525; standards: F5, F21)', async () => {
    for (const lengths of [['4', '4'], ['4', '5'], ['4, 4']]) {
      const fields = lengths.map((length) => `Content-Length: ${length}`);
      expect((await fixture.send('POST /api/one HTTP/1.1', fields, 'body')).status).toBe(400);
    }
    expect(fixture.upstream.requests).toEqual([]);
    await fixture.send('POST /api/one HTTP/1.1', ['Content-Length: 4'], 'body');
    expect(valuesOf(fixture.received().headers, 'content-length')).toEqual(['4']);
    fixture.raw.attend = async (socket, head) => {
      await head;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok');
    };
    const response = await fixture.send('GET /raw/one HTTP/1.1');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_invalid_response']);
  });

  it('is not read from the bytes after an upgrade request that the upstream rejects (CVE-2026-2833; standards: F26)', async () => {
    for (const status of ['200 OK', '403 Forbidden', '426 Upgrade Required']) {
      fixture.raw.attend = async (socket, head) => {
        await head;
        await sleep(20);
        socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
      };
      await fixture.send('GET /raw/live HTTP/1.1', [`Origin: ${fixture.gateway.url}`, ...UPGRADE], smuggled);
    }
    await sleep(20);
    expect(fixture.raw.received).toHaveLength(3);
    expect(Buffer.concat(fixture.raw.received).toString()).not.toContain('smuggled');
    expect(fixture.upstream.requests).toEqual([]);
  });
});

describe('an upgrade request', () => {
  it('to the development server must pass the Host and Origin checks (CVE-2026-112085 / GHSA-cfqc-fj3v-j925; standards: F24)', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1']) {
      expect((await fixture.send('GET /hot HTTP/1.1', [`Origin: ${origin}`, ...UPGRADE])).status).toBe(403);
    }
    expect((await fixture.send('GET /hot HTTP/1.1', UPGRADE)).status).toBe(403);
    const elsewhere = [
      'GET /hot HTTP/1.1',
      'Host: evil.example',
      'Origin: http://evil.example',
      ...UPGRADE,
      '',
      '',
    ];
    expect((await rawRequest(fixture.gateway.port, elsewhere.join('\r\n'))).status).toBe(421);
    expect(devServer.upgrades).toEqual([]);
  });

  it.each([
    '//evil.example/socket/live',
    '///evil.example/socket/live',
    'http://evil.example/socket/live',
    '/\\evil.example/socket/live',
  ])(
    'has its Origin compared with the base URL instead of the host in its target: %s (CVE-2026-126344 / GHSA-7v5p-43qr-wch5; standards: F24)',
    async (target) => {
      for (const origin of ['http://evil.example', 'https://evil.example']) {
        const response = await fixture.send(`GET ${target} HTTP/1.1`, [`Origin: ${origin}`, ...UPGRADE]);
        expect(response.status).toBe(400);
      }
      expect(
        (await fixture.send('GET /socket/live HTTP/1.1', ['Origin: http://evil.example', ...UPGRADE])).status,
      ).toBe(403);
      expect(fixture.upstream.upgrades).toEqual([]);
    },
  );

  it('that fails or is reset leaves the gateway serving other requests (CVE-2024-21536 / GHSA-c7qv-q95q-8v27; standards: F23)', async () => {
    for (const target of ['//x@x', '/api//x@x', '/raw//x@x', '/raw/{a,b}*?', '/%']) {
      fixture.raw.attend = (socket) => void socket.resetAndDestroy();
      const connection = await fixture.open();
      connection.write(fixture.head(`GET ${target} HTTP/1.1`, `Origin: ${fixture.gateway.url}`, ...UPGRADE));
      connection.reset();
      const response = await fixture.send(`GET ${target} HTTP/1.1`, [
        `Origin: ${fixture.gateway.url}`,
        ...UPGRADE,
      ]);
      expect([101, 400, 404, 502]).toContain(response.status);
    }
    expect(fixture.gateway.logs()).not.toContain('unexpected error');
    await expectService();
  });
});

describe('a request body', () => {
  it('is forwarded unchanged so that CR LF inside a multipart part starts no new part (CVE-2026-55603 / GHSA-gcq2-9pq2-cxqm, CVE-2025-32997 / GHSA-9gqv-wp59-fq42, CVE-2025-32996 / GHSA-4www-5p9h-95mh; standards: F28)', async () => {
    const bodies = [
      [
        'multipart/form-data; boundary=b',
        '--b\r\nContent-Disposition: form-data; name="a\r\nX: 1"\r\n\r\n1\r\n--b--',
      ],
      ['multipart/form-data', '--b\r\n\r\n'],
      ['application/json', '{"a": 1, "a": 2,'],
      ['application/x-www-form-urlencoded', 'a[__proto__][b]=1&a=%zz&a'],
      ['application/json; charset=utf-7', '+AHs-'],
      ['text/plain', '\r\n\r\n'],
    ] as const;
    for (const [type, body] of bodies) {
      for (const framing of ['length', 'chunks']) {
        const fields =
          framing === 'length' ? [`Content-Length: ${body.length}`] : ['Transfer-Encoding: chunked'];
        const sent = framing === 'length' ? body : `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
        const response = await fixture.send(
          'POST /api/one HTTP/1.1',
          [`Content-Type: ${type}`, ...fields],
          sent,
        );
        expect(response.status).toBe(200);
        const request = fixture.received();
        expect([request.bodySha256, request.header('content-type')]).toEqual([sha256(body), type]);
      }
    }
  });

  it('that is empty causes no error at any endpoint (CVE-2025-3891)', async () => {
    const paths = [
      'login',
      'callback',
      'session',
      'logout',
      'backchannel-logout',
      'frontchannel-logout',
      'sessions',
      'decoupled',
    ];
    for (const path of [...paths.map((name) => `/auth/${name}`), '/', '/api/one', '/nothing']) {
      for (const fields of [
        [],
        ['Content-Length: 0'],
        ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0'],
      ]) {
        const head = [`POST ${path} HTTP/1.1`, `Host: ${fixture.host}`, 'X-CSRF: 1', ...fields, '', ''];
        expect((await rawRequest(fixture.gateway.port, head.join('\r\n'))).status).toBeLessThan(500);
      }
    }
    expect(fixture.gateway.logs()).not.toContain('unexpected error');
    await expectService();
  });
});

describe('a request header field', () => {
  it('named like an Object.prototype property causes no error (CVE-2026-21710; standards: F23)', async () => {
    const names = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', '__defineGetter__'];
    const fields = names.flatMap((name) => [`${name}: x`, `${name}: y`]);
    for (const path of ['/api/one', '/public/one', '/auth/session', '/page']) {
      expect((await fixture.send(`GET ${path} HTTP/1.1`, fields)).status).toBe(200);
    }
    const [api] = fixture.upstream.requests;
    expect(namesOf(api?.headers ?? [])).not.toContain('__proto__');
    const upgrade = [`Origin: ${fixture.gateway.url}`, ...UPGRADE, ...fields];
    const connection = await fixture.open();
    connection.write(fixture.head('GET /socket/live HTTP/1.1', ...upgrade));
    expect((await connection.readResponse()).status).toBe(101);
    connection.close();
    await expectService();
  });

  it('that announces a number of cookie chunks is rejected without looping over them (CVE-2024-24814 / GHSA-hxr6-w4gc-7vvv; standards: E9)', async () => {
    const counts = [
      'coatcheck_chunks=99999999',
      'coatcheck.0=a',
      'coatcheck_0=a',
      'coatcheck_chunks=-1',
      'coatcheck=99999999',
    ];
    for (const count of counts) {
      const head = [
        'GET /api/one HTTP/1.1',
        `Host: ${fixture.host}`,
        'X-CSRF: 1',
        `Cookie: ${count}`,
        '',
        '',
      ];
      expect((await rawRequest(fixture.gateway.port, head.join('\r\n'))).status).toBe(401);
    }
    expect(fixture.upstream.requests).toEqual([]);
    await expectService();
  });
});

it('concurrent requests at two replicas spend a refresh token once (CVE-2026-1035, CVE-2026-53517, CVE-2026-50631; standards: G6)', async () => {
  const redis = await startRedis();
  const testGateway = await openTestGateway({ store: redis.url });
  const replica = await testGateway.replica();
  await testGateway.agent.signIn();
  const elsewhere = testGateway.browser({ like: testGateway.agent, at: replica });
  for (let round = 1; round <= 3; round += 1) {
    testGateway.advance(300_000);
    const responses = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        (at % 2 === 0 ? testGateway.agent : elsewhere).fetch(`/api/${at}`),
      ),
    );
    expect(responses.map(({ status }) => status)).toEqual(Array(30).fill(200));
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(round);
  }
  expect(testGateway.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  expect(testGateway.provider.tokenLedger().filter(({ presented }) => presented > 1)).toEqual([]);
  await testGateway.close();
  await redis.close();
});
