import { createLocalJWKSet, jwtVerify } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../testkit/network/header-list.ts';
import { anonymousHead, type Fixture, openFixture } from '../proxy/fixture.ts';
import { UPGRADE } from '../proxy/websockets/handshake.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const identity = {
  headers: { 'X-User': '/sub', 'X-Roles': '/roles', 'X-Forwarded-Email': '/email', 'X-Nothing': '/nothing' },
  jwt: { header: 'X-Identity', audience: 'https://api.internal', claims: ['sub', 'roles'] },
};

let fixture: Fixture;
let own: string;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/told', identity, websocket: true },
      { path: '/told/maybe', identity, auth: 'optional', websocket: true },
      { path: '/untold', websocket: true, requestHeaders: { allow: ['X-User', 'X-Roles'] } },
      { path: '/untold/open', auth: 'none', websocket: true },
      { path: '/listed', identity, requestHeaders: { allow: ['X-User', 'X-Roles', 'X-Identity', 'X-Kept'] } },
    ],
    config: { keys: [{ key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }] },
  });
  own = `Origin: ${fixture.gateway.url}`;
  fixture.provider.patchIdToken = (given) => ({ ...given, roles: ['ops', 'a,b', 'line\r\nX-Admin: 1'] });
  await fixture.agent.signIn('/');
});
beforeEach(() => {
  fixture.reset();
  fixture.upstream.upgrades.length = 0;
});
afterAll(() => fixture.close());

const ticketHead = (requestLine: string, ...fields: string[]) => {
  const ticket = fixture.agent.cookies.header(new URL(fixture.gateway.url), {
    crossSite: false,
    topLevelGet: true,
  });
  return anonymousHead(fixture.host, requestLine, `Cookie: ${ticket}`, ...fields);
};

/** Sends bytes, and returns the header fields that reached the upstream. */
async function fieldsOf(head: string) {
  const connection = await fixture.open();
  connection.write(head);
  const { status } = await connection.readResponse();
  connection.close();
  const [request] = [...fixture.upstream.requests, ...fixture.upstream.upgrades];
  return { status, headers: request?.headers ?? [] };
}

/** Spellings of the identity headers that some upstream could take for them. */
const spellings = [
  'X-User',
  'x-user',
  'X-USER',
  'X_User',
  'x_user',
  'X_USER',
  'X.User',
  'X-Roles',
  'X_Roles',
  'x-roleS',
  'X-Nothing',
  'X_Nothing',
  'X-Identity',
  'X_Identity',
  'x-identity',
  'X-Forwarded-Email',
  'X_Forwarded_Email',
  'X-Forwarded_Email',
];
const spoofed = spellings.map((name) => `${name}: attacker`);
const listed = `Connection: close, ${spellings.join(', ')}`;

describe('routes[].identity', () => {
  it('tells the upstream who calls', async () => {
    const { headers } = await fieldsOf(ticketHead('GET /told/one HTTP/1.1'));
    expect(valuesOf(headers, 'x-user')).toEqual(['alice']);
    expect(valuesOf(headers, 'x-roles')).toEqual(['ops,a%2Cb,line%0D%0AX-Admin: 1']);
    expect(valuesOf(headers, 'x-forwarded-email')).toEqual(['alice@example.test']);
    expect(valuesOf(headers, 'x-nothing')).toEqual([]);
    expect(valuesOf(headers, 'x-admin')).toEqual([]);
  });

  it('sends a JWT that verifies with the published keys', async () => {
    const jwks = await fixture.agent.get('/auth/jwks.json');
    const { headers } = await fieldsOf(ticketHead('GET /told/one HTTP/1.1'));
    const [token = ''] = valuesOf(headers, 'x-identity');
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks.json() as never), {
      issuer: fixture.gateway.url,
      audience: 'https://api.internal',
    });
    expect(payload).toMatchObject({ sub: 'alice', roles: ['ops', 'a,b', 'line\r\nX-Admin: 1'] });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
    fixture.reset();
    const again = await fieldsOf(ticketHead('GET /told/two HTTP/1.1'));
    expect(valuesOf(again.headers, 'x-identity')).toEqual([token]);
  });

  it.each([
    ['requests', 'GET /told/one', []],
    ['requests that let them pass by name', 'GET /listed/one', []],
    ['requests of optional routes', 'GET /told/maybe/one', []],
    ['upgrades', 'GET /told/live', UPGRADE],
  ] as const)("drops a client's own copies on %s (standards: F6, F7)", async (_what, line, upgrade) => {
    const { headers } = await fieldsOf(
      ticketHead(`${line} HTTP/1.1`, ...(upgrade.length > 0 ? [own, ...upgrade] : [listed]), ...spoofed),
    );
    expect(headers.length).toBeGreaterThan(0);
    expect(headers.flat().filter((text) => text.includes('attacker'))).toEqual([]);
    expect(valuesOf(headers, 'x-user')).toEqual(['alice']);
    expect(valuesOf(headers, 'x-identity')).toEqual([expect.stringMatching(/^ey/)]);
  });

  it.each([
    ['requests', []],
    ['upgrades', UPGRADE],
  ] as const)('sends nothing for anonymous %s, and drops their copies', async (_what, upgrade) => {
    const { headers } = await fieldsOf(
      anonymousHead(
        fixture.host,
        'GET /told/maybe/one HTTP/1.1',
        ...(upgrade.length > 0 ? [own, ...upgrade] : [listed]),
        ...spoofed,
      ),
    );
    expect(headers.length).toBeGreaterThan(0);
    expect(headers.flat().filter((text) => text.includes('attacker'))).toEqual([]);
    for (const name of ['x-user', 'x-roles', 'x-identity', 'x-forwarded-email'])
      expect(valuesOf(headers, name)).toEqual([]);
  });

  it.each([
    ['requests', 'GET /untold/one', []],
    ['requests of open routes', 'GET /untold/open/one', []],
    ['upgrades', 'GET /untold/live', UPGRADE],
    ['upgrades of open routes', 'GET /untold/open/live', UPGRADE],
  ] as const)("drops a client's own copies on %s of another route", async (_what, line, upgrade) => {
    const { headers } = await fieldsOf(
      ticketHead(`${line} HTTP/1.1`, ...(upgrade.length > 0 ? [own, ...upgrade] : []), ...spoofed),
    );
    expect(headers.length).toBeGreaterThan(0);
    expect(headers.flat().filter((text) => text.includes('attacker'))).toEqual([]);
  });

  it("drops a client's copies from trailers", async () => {
    const { headers } = await fieldsOf(
      `${ticketHead('POST /told/one HTTP/1.1', own, 'Transfer-Encoding: chunked', 'Trailer: X-User')}1\r\nx\r\n0\r\nX-User: attacker\r\n\r\n`,
    );
    expect(valuesOf(headers, 'x-user')).toEqual(['alice']);
    expect(fixture.upstream.requests[0]?.trailers).toEqual([]);
  });

  it('tells the claims of a refreshed session in a replay', async () => {
    const { upstream, provider, agent } = fixture;
    await agent.fetch('/told/one');
    fixture.reset();
    provider.patchIdToken = (given) => ({ ...given, roles: ['renamed'] });
    let calls = 0;
    upstream.respond((_request, response) => {
      calls += 1;
      if (calls === 1) response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' });
      response.end();
    });
    expect((await agent.fetch('/told/one')).status).toBe(200);
    const roles = upstream.requests.map(({ headers }) => valuesOf(headers, 'x-roles'));
    expect(roles[1]).toEqual(['renamed']);
    expect(roles[0]).not.toEqual(['renamed']);
  });
});
