import { createLocalJWKSet, jwtVerify } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { valuesOf } from '../../../testkit/network/header-list.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';
import { echo, inSequence, status } from '../../../testkit/upstream/behaviours.ts';
import { anonymousHead, type Fixture, openFixture } from '../proxy/fixture.ts';
import { UPGRADE } from '../proxy/websockets/handshake.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const identity = {
  headers: { 'X-User': '/sub', 'X-Roles': '/roles', 'X-Forwarded-Email': '/email', 'X-Nothing': '/nothing' },
  jwt: { header: 'X-Identity', audience: 'https://api.internal', claims: ['sub', 'roles', 'department'] },
};

let fixture: Fixture;
let issuer: FakeProvider;
let own: string;

beforeAll(async () => {
  issuer = await startFakeProvider();
  const bearer = { issuers: [issuer.issuer], audience: 'https://api.internal' };
  fixture = await openFixture({
    routes: [
      { path: '/told', identity, websocket: true },
      { path: '/told/maybe', identity, auth: 'optional', websocket: true },
      { path: '/untold', websocket: true, requestHeaders: { allow: ['X-User', 'X-Roles'] } },
      { path: '/untold/open', auth: 'none', websocket: true },
      { path: '/machines', identity, bearer, websocket: true },
      { path: '/machines/client', identity, bearer, token: 'client' },
      { path: '/listed', identity, requestHeaders: { allow: ['X-User', 'X-Roles', 'X-Identity', 'X-Kept'] } },
    ],
    config: {
      trustProxy: ['127.0.0.1'],
      keys: [{ key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }],
    },
  });
  own = `Origin: ${fixture.gateway.url}`;
  fixture.provider.patchIdToken = (given) => ({
    ...given,
    roles: ['ops', 'a,b', 'line\r\nX-Admin: 1'],
    department: 'stores',
  });
  await fixture.agent.signIn('/');
});
beforeEach(() => {
  fixture.reset();
  fixture.upstream.upgrades.length = 0;
});
afterAll(async () => {
  await fixture.close();
  await issuer.close();
});

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
    expect(payload).toMatchObject({
      sub: 'alice',
      roles: ['ops', 'a,b', 'line\r\nX-Admin: 1'],
      department: 'stores',
    });
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

describe('routes[].identity for a caller with an access token of its own', () => {
  const tokenOf = async (claims: Record<string, unknown> = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const given = { iss: issuer.issuer, sub: 'machine-1', aud: 'https://api.internal', roles: ['batch'] };
    const jti = `canary-bearer-${crypto.randomUUID()}`;
    const token = await issuer.sign({ ...given, iat: now, exp: now + 300, jti, ...claims }, 'at+jwt');
    return canaries.keep('access token', token);
  };
  const machineHead = (line: string, token: string, ...fields: string[]) =>
    anonymousHead(fixture.host, `${line} HTTP/1.1`, `Authorization: Bearer ${token}`, ...fields);

  it.each([
    ['requests', 'GET /machines/one', []],
    ['upgrades', 'GET /machines/live', UPGRADE],
  ] as const)(
    'tells the claims of the token on %s, and drops its own copies',
    async (_what, line, upgrade) => {
      const { headers } = await fieldsOf(machineHead(line, await tokenOf(), ...upgrade, ...spoofed));
      expect(headers.flat().filter((text) => text.includes('attacker'))).toEqual([]);
      expect(valuesOf(headers, 'x-user')).toEqual(['machine-1']);
      expect(valuesOf(headers, 'x-roles')).toEqual(['batch']);
      const [token = ''] = valuesOf(headers, 'x-identity');
      const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
      expect(claims).toMatchObject({ iss: fixture.gateway.url, sub: 'machine-1', roles: ['batch'] });
    },
  );

  it('sends the same JWT with one token, and another one with another token', async () => {
    const identityOf = async (token: string) => {
      fixture.reset();
      return valuesOf((await fieldsOf(machineHead('GET /machines/one', token))).headers, 'x-identity');
    };
    const [one, two] = [await tokenOf(), await tokenOf({ roles: [] })];
    const first = await identityOf(one);
    expect(first).toHaveLength(1);
    expect(await identityOf(one)).toEqual(first);
    expect(await identityOf(two)).not.toEqual(first);
  });

  it('tells the same again when the request is repeated with a renewed token of the gateway', async () => {
    const { upstream } = fixture;
    upstream.respond(inSequence(status(401, { 'www-authenticate': 'Bearer error="invalid_token"' }), echo));
    await fieldsOf(machineHead('GET /machines/client/one', await tokenOf()));
    expect(upstream.requests.map(({ headers }) => valuesOf(headers, 'x-user'))).toEqual([
      ['machine-1'],
      ['machine-1'],
    ]);
  });

  it('tells them to a proxy that asks', async () => {
    const { headers } = await fixture.agent.request('/auth/check', {
      headers: {
        authorization: `Bearer ${await tokenOf()}`,
        cookie: '',
        'x-forwarded-uri': '/machines/one',
        'x-forwarded-method': 'POST',
      },
    });
    expect(valuesOf(headers, 'x-user')).toEqual(['machine-1']);
  });
});
