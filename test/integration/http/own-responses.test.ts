import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../testkit/network/header-list.ts';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import type { RawResponse } from '../../../testkit/network/raw-response.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const HOST = 'app.example.test';
const NAVIGATION = ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Site: none'];
const OWN = ['Sec-Fetch-Site: same-origin'];
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

let testGateway: TestGateway;
/** The session cookie, as in a Cookie field. */
let ticket: string;

beforeAll(async () => {
  testGateway = await openTestGateway({ baseUrl: `https://${HOST}` });
  await testGateway.agent.signIn();
  ticket = `__Host-Http-coatcheck=${testGateway.agent.cookies.get('__Host-Http-coatcheck')?.value}`;
});

afterAll(() => testGateway.close());

function send(requestLine: string, fields: readonly string[] = [], host = HOST): Promise<RawResponse> {
  const head = [`${requestLine} HTTP/1.1`, `Host: ${host}`, ...fields, '', ''];
  return rawRequest(testGateway.gateway.port, head.join('\r\n'));
}

/** One response of every kind that the gateway makes itself. */
const responses: [what: string, status: number, ask: () => Promise<RawResponse>][] = [
  ['a login by navigation', 302, () => send('GET /auth/login', NAVIGATION)],
  ['a login by fetch', 400, () => send('GET /auth/login', ['Sec-Fetch-Mode: cors'])],
  ['an invalid callback', 400, () => send('GET /auth/callback', NAVIGATION)],
  ['a session request without a session', 200, () => send('GET /auth/session')],
  ['a session request with a session', 200, () => send('GET /auth/session', [`Cookie: ${ticket}`])],
  [
    'a session request with an invalid cookie',
    200,
    () => send('GET /auth/session', ['Cookie: __Host-Http-coatcheck=x']),
  ],
  ['a sign-out by fetch', 200, () => send('POST /auth/logout', OWN)],
  ['a sign-out by a form', 303, () => send('POST /auth/logout', [...OWN, 'Sec-Fetch-Mode: navigate'])],
  ['a sign-out from another site', 403, () => send('POST /auth/logout', ['Sec-Fetch-Site: cross-site'])],
  ['a method that is not allowed', 405, () => send('GET /auth/logout')],
  ['an unknown endpoint', 404, () => send('GET /auth/nothing')],
  ['an unknown page', 404, () => send('GET /nothing')],
  ['a call without a session', 401, () => send('GET /api/one', OWN)],
  [
    'a call with an ended session',
    401,
    () => send('GET /api/one', [...OWN, 'Cookie: __Host-Http-coatcheck=x']),
  ],
  ['a call from another site', 403, () => send('GET /api/one', ['Sec-Fetch-Site: cross-site'])],
  ['a path with dot segments', 400, () => send('GET /api/../one')],
  ['a request for another host', 421, () => send('GET /', [], 'evil.example')],
  ['a TRACE request', 405, () => send('TRACE /')],
];

describe.each(responses)('the response to %s', (_what, status, ask) => {
  let response: RawResponse;

  beforeAll(async () => {
    response = await ask();
  });

  it('has Cache-Control no-store (standards: E21)', () => {
    expect(response.status).toBe(status);
    expect(valuesOf(response.headers, 'cache-control')).toEqual(['no-store']);
  });

  it('has the security headers (standards: E22)', () => {
    const policy = response.header('content-security-policy') ?? '';
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining(["default-src 'none'", "frame-ancestors 'none'"]),
    );
    expect(response.header('x-content-type-options')).toBe('nosniff');
    expect(response.header('x-frame-options')).toBe('DENY');
    expect(response.header('referrer-policy')).toBe('no-referrer');
    expect(response.header('strict-transport-security')).toBe('max-age=63072000');
    expect(response.header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const told = response.headers.map(([name]) => name.toLowerCase());
    expect(
      told.filter((name) => /^(?:server|x-powered-by|www-authenticate|access-control-.*)$/.test(name)),
    ).toEqual([]);
  });

  it('sets each cookie at most once, for this host only, Secure and HttpOnly (standards: A4–A8, E10, E11)', () => {
    const lines = valuesOf(response.headers, 'set-cookie');
    const names = lines.map((line) => line.split('=', 1)[0]);
    expect(new Set(names).size).toBe(names.length);
    for (const line of lines) {
      expect(line).toMatch(
        /^__Host-Http-coatcheck[\w.-]*=[^;]*; Path=\/; (?:Max-Age=\d+; )?HttpOnly; Secure; SameSite=(?:Strict|Lax)$/,
      );
      expect(line.split(';')[0]?.length).toBeLessThanOrEqual(4096);
    }
  });
});

it('the response to a rejected upgrade has Cache-Control no-store (standards: E21)', async () => {
  const origin = `Origin: https://${HOST}`;
  for (const [status, ask] of [
    [403, () => send('GET /socket/live', UPGRADE)],
    [401, () => send('GET /socket/live', [origin, ...UPGRADE])],
    [404, () => send('GET /index.html', [origin, ...UPGRADE])],
    [400, () => send('GET /socket/../live', [origin, ...UPGRADE])],
    [421, () => send('GET /socket/live', [origin, ...UPGRADE], 'evil.example')],
  ] as const) {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.header('x-content-type-options')).toBe('nosniff');
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.header('content-security-policy')).toBe(
      "default-src 'none'; frame-ancestors 'none'; sandbox",
    );
    expect(response.header('strict-transport-security')).toBe('max-age=63072000');
    expect(response.header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

describe('a Cookie header on https', () => {
  const seal = () => ticket.slice(ticket.indexOf('=') + 1);

  it.each([
    ['in lower case', () => `__host-http-coatcheck=${seal()}`],
    ['in capitals', () => `__HOST-HTTP-COATCHECK=${seal()}`],
    ['without a name', () => `=__Host-Http-coatcheck=${seal()}`],
    ['without the prefix', () => `coatcheck=${seal()}`],
    ['with only the __Host- prefix', () => `__Host-coatcheck=${seal()}`],
    ['with the __Secure- prefix', () => `__Secure-coatcheck=${seal()}`],
    ['in quotes', () => `__Host-Http-coatcheck="${seal()}"`],
    ['twice with different values', () => `${ticket}; __Host-Http-coatcheck=x`],
    ['twice with different values in reverse order', () => `__Host-Http-coatcheck=x; ${ticket}`],
    ['twice and once empty', () => `${ticket}; __Host-Http-coatcheck=`],
    ['percent-encoded', () => `__Host-Http-coatcheck=${encodeURIComponent(seal())}%20`],
    ['truncated', () => ticket.slice(0, -1)],
    ['too long', () => `${ticket}${'A'.repeat(8_000)}`],
    ['under an encoded name', () => `__Host%2DHttp-coatcheck=${seal()}`],
  ])('opens no session when the session cookie appears %s (standards: A8, E9)', async (_what, write) => {
    const session = await send('GET /auth/session', [`Cookie: ${write()}`]);
    expect([session.status, JSON.parse(session.body.toString()).authenticated]).toEqual([200, false]);
    expect((await send('GET /api/one', [...OWN, `Cookie: ${write()}`])).status).toBe(401);
  });

  it('opens the session for the exact cookie name beside one in lower case', async () => {
    const session = await send('GET /auth/session', [`Cookie: a=1; ${ticket}; __host-http-coatcheck=x`]);
    expect(JSON.parse(session.body.toString())).toMatchObject({ authenticated: true });
  });
});

describe('the error responses of every part of the gateway', () => {
  const adminPort = () => Number(new URL(testGateway.gateway.adminUrl).port);
  const askAdmin = (path: string) =>
    rawRequest(adminPort(), `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const errors: [what: string, ask: () => Promise<RawResponse>][] = [
    ['auth', () => send('GET /auth/nothing')],
    ['the API', () => send('GET /api/one', OWN)],
    ['no part', () => send('GET /nothing')],
    ['the guard', () => send('GET /api/../one')],
    ['upgrades', () => send('GET /nothing', [...UPGRADE, `Origin: https://${HOST}`])],
    ['the admin listener', () => askAdmin('/nothing')],
  ];
  /** What differs between transports, and HSTS, which the admin listener on plain http does not send. */
  const ofTransport = new Set([
    'connection',
    'date',
    'keep-alive',
    'content-length',
    'transfer-encoding',
    'strict-transport-security',
  ]);

  it('have the same header fields and members, and each is logged', async () => {
    const shapes = await Promise.all(
      errors.map(async ([what, ask]) => {
        const response = await ask();
        const document = JSON.parse(response.body.toString()) as Record<string, unknown>;
        const fields = response.headers
          .map(([name, value]) => [name.toLowerCase(), value] as const)
          .filter(([name]) => !ofTransport.has(name));
        const requestId = valuesOf(response.headers, 'x-request-id')[0];
        expect(document).toMatchObject({
          status: response.status,
          code: expect.any(String),
          detail: expect.any(String),
          title: expect.any(String),
          requestId,
        });
        const line = new RegExp(`"requestId":"${requestId}".*"msg":"(?:admin )?request"`);
        await expect.poll(() => testGateway.gateway.logs()).toMatch(line);
        const values = fields.map(([name, value]) => (name === 'x-request-id' ? name : `${name}: ${value}`));
        return { what, fields: values.toSorted() };
      }),
    );
    for (const { what, fields } of shapes) expect([what, fields]).toEqual([what, shapes[0]?.fields]);
  });
});

it('the log stays one JSON line per entry whatever a request contains (standards: E23)', async () => {
  const forged = '{"level":"fatal","msg":"forged"}';
  for (const target of [
    `/forged${encodeURIComponent(`\n${forged}`)}`,
    `/"},${forged},{"`,
    `/forged?${forged}`,
    '/\u2028forged',
  ]) {
    await send(`GET ${target}`, [`User-Agent: ${forged}`, `Referer: ${forged}`, `X-Request-Id: ${forged}`]);
  }
  await send('GET /', [], `${HOST}"${forged}`);
  await beginLogin(testGateway.browser(), `?returnTo=${encodeURIComponent(`/\n${forged}`)}`);
  const lines = testGateway.gateway.logs().split('\n').slice(0, -1);
  expect(lines.length).toBeGreaterThan(4);
  for (const line of lines) expect(JSON.parse(line)).not.toMatchObject({ level: 'fatal' });
  expect(testGateway.gateway.logs()).not.toContain('\u2028');
});
