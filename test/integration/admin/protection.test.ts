import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
/** As many wrong tokens as one address may send in a minute. */
const WRONG_TOKENS = 30;

let testGateway: TestGateway;
let port: number;

beforeEach(async () => {
  testGateway = await openTestGateway({
    config: { admin: { token: TOKEN, allowedHosts: ['admin.internal', 'ops.internal:9000'] } },
  });
  port = Number(new URL(testGateway.gateway.adminUrl).port);
});

afterEach(() => testGateway.close());

const get = (path: string, ...fields: string[]) =>
  rawRequest(port, [`GET ${path} HTTP/1.1`, ...fields, 'Connection: close', '', ''].join('\r\n'));
const statusFor = async (host: string) => (await get('/livez', `Host: ${host}`)).status;
const withToken = (token: string) =>
  get('/sessions?subject=a', 'Host: localhost', `Authorization: Bearer ${token}`);

describe('the Host of an admin request', () => {
  it.each([
    '127.0.0.1',
    '127.0.0.1:9464',
    '10.1.2.3:9464',
    '[::1]',
    '[2001:db8::1]:9464',
    'localhost',
    'LocalHost:1234',
    'coatcheck.localhost:9464',
    'admin.internal',
    'Admin.Internal:9464',
    'ops.internal:9000',
  ])('is served when it is %s', async (host) => {
    expect(await statusFor(host)).toBe(200);
  });

  it.each([
    'evil.example',
    'evil.example:9464',
    'localhost.evil.example',
    'evillocalhost',
    '127.0.0.1.evil.example',
    'ops.internal',
    'ops.internal:9001',
    'sub.admin.internal',
    '127.0.0.1:9464@evil.example',
    '[::1].evil.example',
    '[evil.example]',
    'localhost:port',
    '',
  ])('gets 421 wrong_host on every page when it is "%s" (DNS rebinding)', async (host) => {
    for (const path of ['/', '/livez', '/readyz', '/metrics', '/sessions?subject=a', '/none']) {
      const response = await get(path, `Host: ${host}`, `Authorization: Bearer ${TOKEN}`);
      expect([response.status, JSON.parse(response.body.toString())]).toMatchObject([
        421,
        { code: 'wrong_host' },
      ]);
    }
  });

  it('gets 400 when it is sent twice', async () => {
    expect((await get('/livez', 'Host: localhost', 'Host: evil.example')).status).toBe(400);
  });

  it('may be absent in HTTP/1.0, as in the health checks of load balancers', async () => {
    expect((await rawRequest(port, 'GET /livez HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

describe('a navigation to the admin listener that ends in an error', () => {
  it.each([
    ['a path that nothing serves', 'localhost', 'GET', '/none', 404, 'Page not found'],
    ['a page that needs the token', 'localhost', 'GET', '/sessions?subject=a', 401, 'Admin token needed'],
    ['a method that a page does not take', 'localhost', 'POST', '/', 405, 'This address cannot be opened'],
    ['a wrong host', 'evil.example', 'GET', '/', 421, 'Wrong address'],
  ])('shows a page that leads to the console, for %s', async (_what, host, method, path, status, title) => {
    const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Accept: text/html,*/*;q=0.8'];
    const response = await rawRequest(port, [...head, 'Connection: close', '', ''].join('\r\n'));
    const html = response.body.toString();
    expect(response.status).toBe(status);
    expect(response.header('content-type')).toBe('text/html; charset=utf-8');
    expect(response.header('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(response.header('cache-control')).toBe('no-store');
    expect(html).toContain(`<h1>${title}</h1>`);
    expect(html).toContain('<a href="/">Go to the console</a>');
    expect(html).toContain(`<code>${response.header('x-request-id')}</code>`);
    expect(html).not.toContain('evil.example');
  });
});

it('pipelined admin requests are cut off beyond 32 outstanding responses', async () => {
  const connection = await openRaw(port);
  connection.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2_000));
  await connection.ended;
  const responses = connection.pending().toString('latin1').split('HTTP/1.1 200').length - 1;
  expect(responses).toBeLessThanOrEqual(32);
  expect((await get('/livez', 'Host: localhost')).status).toBe(200);
});

describe('a wrong admin token', () => {
  const wrongTokens = async () => {
    const metrics = (await get('/metrics', 'Host: localhost')).body.toString();
    return Number(/^coatcheck_admin_wrong_tokens_total (\d+)$/m.exec(metrics)?.[1]);
  };

  it('is counted and logged with the address that sent it, never with the token', async () => {
    expect(await wrongTokens()).toBe(0);
    expect((await withToken('canary-guess')).status).toBe(401);
    expect((await get('/sessions?subject=a', 'Host: localhost')).status).toBe(401);
    expect(await wrongTokens()).toBe(1);
    const logs = testGateway.gateway.logs();
    expect(logs).toMatch(/"clientAddress":"127\.0\.0\.1".*"msg":"admin request with a wrong token"/);
    expect(logs).not.toContain('canary-guess');
  });

  it('gets 429 with Retry-After after too many of them, whatever the next token is', async () => {
    testGateway.stopClock();
    for (let count = 0; count < WRONG_TOKENS; count += 1)
      expect((await withToken(`guess-${count}`)).status).toBe(401);
    for (const token of ['guess-more', TOKEN]) {
      const response = await withToken(token);
      expect(response.status).toBe(429);
      expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'rate_limited' });
      const retryAfter = response.headers.find(([name]) => name.toLowerCase() === 'retry-after');
      expect(Number(retryAfter?.[1])).toBeGreaterThan(0);
    }
    expect(await wrongTokens()).toBe(WRONG_TOKENS);
    expect((await get('/livez', 'Host: localhost')).status).toBe(200);
    testGateway.advance(2_000);
    expect((await withToken(TOKEN)).status).toBe(200);
  });

  it('does not count against requests with the right token', async () => {
    for (let count = 0; count < WRONG_TOKENS * 2; count += 1)
      expect((await withToken(TOKEN)).status).toBe(200);
    expect((await withToken('guess')).status).toBe(401);
  });
});
