import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRaw } from '../../../testkit/network/raw-client.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ENDPOINTS = [
  '/login',
  '/callback',
  '/decoupled',
  '/session',
  '/session/extend',
  '/check',
  '/logout',
  '/backchannel-logout',
  '/frontchannel-logout',
  '/sessions',
  '/jwks.json',
].map((path) => `/auth${path}`);
const ADMIN_PAGES = ['/', '/livez', '/readyz', '/history', '/metrics', '/sessions', '/sessions/revoke-all'];

let testGateway: TestGateway;
let ticket: string;

beforeAll(async () => {
  testGateway = await openTestGateway({ config: { admin: { token: TOKEN } } });
  await testGateway.agent.signIn();
  ticket = testGateway.agent.cookies.get('coatcheck')?.value ?? '';
});

afterAll(() => testGateway.close());

/** Sends requests on one connection, as far as the gateway keeps it, and gives their status codes. */
async function statusesOf(origin: string, requests: { line: string; fields: string[] }[]): Promise<number[]> {
  const { host, port } = new URL(origin);
  let connection = await openRaw(Number(port));
  const statuses: number[] = [];
  for (const { line, fields } of requests) {
    const head = [`${line} HTTP/1.1`, `Host: ${host}`, 'Content-Length: 0', ...fields, '', ''];
    connection.write(head.join('\r\n'));
    const response = await connection.readResponse(line.slice(0, line.indexOf(' ')));
    statuses.push(response.status);
    if (response.headers.some(([name, value]) => name.toLowerCase() === 'connection' && value === 'close')) {
      connection.close();
      connection = await openRaw(Number(port));
    }
  }
  connection.close();
  return statuses;
}

describe.each([
  ['a byte that UTF-8 does not have', '%ff'],
  ['a percent sign alone', '%'],
  ['no hexadecimal digits', '%zz'],
  ['a NUL', '%00'],
  ['an overlong form', '%c0%ae'],
  ['a lone surrogate', '%ed%a0%80'],
  ['a truncated sequence', '%e2%82'],
  ['a code point beyond Unicode', '%f4%90%80%80'],
])('a request with %s (%s)', (_what, bad) => {
  const own = () => ['Sec-Fetch-Site: same-origin', 'X-CSRF: 1', `Cookie: coatcheck=${ticket}`];

  it('in a path of the gateway gets a 400 for each endpoint and method', async () => {
    const paths = ['/auth/', '/auth/sessions/', ...ENDPOINTS].map((path) => path + bad);
    const requests = paths.flatMap((path) =>
      METHODS.map((method) => ({ line: `${method} ${path}`, fields: own() })),
    );
    const statuses = await statusesOf(testGateway.gateway.url, requests);
    expect(requests.filter((_, at) => statuses[at] !== 400)).toEqual([]);
  });

  it('in a path of the admin listener gets a 400 for each page and method', async () => {
    const requests = ADMIN_PAGES.flatMap((path) =>
      METHODS.map((method) => ({
        line: `${method} ${path}${bad}`,
        fields: [`Authorization: Bearer ${TOKEN}`],
      })),
    );
    const statuses = await statusesOf(testGateway.gateway.adminUrl, requests);
    expect(requests.filter((_, at) => statuses[at] !== 400)).toEqual([]);
  });

  it('in a query or a cookie never gets a 5xx, from any endpoint', async () => {
    const query = ['returnTo', 'state', 'code', 'iss', 'sid', 'subject', 'limit', 'after', 'stepUp', 'x']
      .map((name) => `${name}=${bad}`)
      .join('&');
    const cookie = [
      'coatcheck',
      'coatcheck-login-00',
      'coatcheck-login-long',
      'coatcheck-decoupled',
      'coatcheck-signed-out',
    ]
      .map((name) => `${name}=${bad}`)
      .join('; ');
    const paths = [...ENDPOINTS, '/api/one', '/public/one', '/'];
    const requests = paths.flatMap((path) =>
      METHODS.flatMap((method) => [
        { line: `${method} ${path}?${query}`, fields: own() },
        { line: `${method} ${path}`, fields: ['Sec-Fetch-Site: same-origin', `Cookie: ${cookie}`] },
      ]),
    );
    const statuses = await statusesOf(testGateway.gateway.url, requests);
    expect(requests.filter((_, at) => (statuses[at] ?? 0) >= 500)).toEqual([]);
  });

  it('in a query of the admin listener never gets a 5xx', async () => {
    const query = `subject=${bad}&sessionId=${bad}&limit=${bad}&after=${bad}`;
    const requests = ADMIN_PAGES.filter((path) => path !== '/sessions/revoke-all').flatMap((path) =>
      METHODS.map((method) => ({
        line: `${method} ${path}?${query}`,
        fields: [`Authorization: Bearer ${TOKEN}`],
      })),
    );
    const statuses = await statusesOf(testGateway.gateway.adminUrl, requests);
    expect(requests.filter((_, at) => (statuses[at] ?? 0) >= 500)).toEqual([]);
  });
});
