import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { calculateJwkThumbprint, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';

const AUDIENCE = 'https://api.test';

let issuer: FakeProvider;
let other: FakeProvider;
let testGateway: TestGateway;
let attacker: Awaited<ReturnType<typeof startAttacker>>;

/** A server with keys of its own, to which the header of a token may point. */
async function startAttacker() {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig' };
  const kid = await calculateJwkThumbprint(jwk);
  let calls = 0;
  const server = createServer((_request, response) => {
    calls += 1;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [{ ...jwk, kid }] }));
  });
  const listener = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${listener.port}/jwks`,
    privateKey,
    jwk,
    kid,
    calls: () => calls,
    stop: listener.stop,
  };
}

beforeAll(async () => {
  [issuer, other, attacker] = await Promise.all([startFakeProvider(), startFakeProvider(), startAttacker()]);
});
beforeEach(async () => {
  const bearer = { issuers: [issuer.issuer], audience: AUDIENCE };
  testGateway = await openTestGatewayForTest({
    routes: [
      { path: '/api', bearer, websocket: true },
      { path: '/second', bearer: { ...bearer, audience: 'https://second.test' } },
      { path: '/foreign', bearer: { ...bearer, issuers: [other.issuer] } },
      { path: '/limited', bearer: { ...bearer, issuers: [issuer.issuer, other.issuer] }, maxPerMinute: 1 },
    ],
  });
  testGateway.upstream.respond(echo);
});
afterAll(() => Promise.all([issuer.close(), other.close(), attacker.stop()]));

const claims = (from = issuer) => {
  const now = Math.floor(Date.now() / 1000);
  const jti = `canary-bearer-${crypto.randomUUID()}`;
  return { iss: from.issuer, sub: 'machine', aud: AUDIENCE, iat: now, exp: now + 300, jti };
};
const call = (path: string, token: string) =>
  testGateway.browser().request(path, { headers: { authorization: `Bearer ${token}` } });
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
/** The key that the issuer publishes. */
async function publishedKey() {
  const { keys } = (await (await fetch(String(issuer.metadata['jwks_uri']))).json()) as {
    keys: [Record<string, string>];
  };
  return keys[0];
}
function signedByHmac(header: Record<string, unknown>, secret: string | Buffer) {
  const signed = `${encode({ alg: 'HS256', typ: 'at+jwt', ...header })}.${encode(claims())}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
const signedByAttacker = (header: Record<string, unknown>) =>
  new SignJWT(claims())
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...header })
    .sign(attacker.privateKey);

describe('a token that the issuer did not sign', () => {
  it.each<[string, () => Promise<string>]>([
    [
      'HMAC with the public key as PEM',
      async () => {
        const jwk = await publishedKey();
        const pem = await exportSPKI((await importJWK(jwk, 'RS256', { extractable: true })) as never);
        return signedByHmac({ kid: jwk['kid'] }, pem);
      },
    ],
    [
      'HMAC with the public key as JWK',
      async () => {
        const jwk = await publishedKey();
        return signedByHmac({ kid: jwk['kid'] }, JSON.stringify(jwk));
      },
    ],
    ['HMAC with an empty key', async () => signedByHmac({ kid: '' }, '')],
    ['a key in the header', () => signedByAttacker({ jwk: attacker.jwk })],
    ['the address of a key in the header', () => signedByAttacker({ jku: attacker.url, kid: attacker.kid })],
    ['the address of a certificate in the header', () => signedByAttacker({ x5u: attacker.url })],
    ["the issuer's key ID", async () => signedByAttacker({ kid: (await publishedKey())['kid'] })],
    [
      'no algorithm, in other letter case',
      async () => `${encode({ alg: 'nOnE', typ: 'at+jwt' })}.${encode(claims())}.`,
    ],
    [
      'an unknown critical header',
      async () => {
        const token = await issuer.sign(claims(), 'at+jwt');
        const [, payload, signature] = token.split('.');
        return `${encode({ alg: 'RS256', typ: 'at+jwt', crit: ['x'], x: 1 })}.${payload}.${signature}`;
      },
    ],
  ])('is rejected on requests and upgrades: %s', async (_what, forge) => {
    const token = canaries.keep('access token', await forge());
    const response = await call('/api/one', token);
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_required' }]);
    await expect(
      testGateway.browser().websocket('/api/live', { headers: { authorization: `Bearer ${token}` } }),
    ).rejects.toMatchObject({ status: 401 });
    expect(testGateway.upstream.requests).toEqual([]);
    expect(testGateway.upstream.upgrades).toEqual([]);
    expect(attacker.calls()).toBe(0);
  });
});

describe('a valid token', () => {
  it('of one route is not valid on a route with another audience or issuer, also while it is remembered', async () => {
    const token = canaries.keep('access token', await issuer.sign(claims(), 'at+jwt'));
    expect((await call('/api/one', token)).status).toBe(200);
    expect((await call('/second/one', token)).status).toBe(401);
    expect((await call('/foreign/one', token)).status).toBe(401);
    expect((await call('/api/two', token)).status).toBe(200);
  });

  it('of another issuer is not valid with the first issuer in its claims', async () => {
    const token = canaries.keep('access token', await other.sign(claims(other), 'at+jwt'));
    expect((await call('/foreign/one', token)).status).toBe(200);
    const pretended = canaries.keep('access token', await other.sign(claims(issuer), 'at+jwt'));
    expect((await call('/api/one', pretended)).status).toBe(401);
  });

  it('is not remembered beyond its end', async () => {
    const now = Math.floor(Date.now() / 1000);
    const token = await issuer.sign({ ...claims(), exp: now + 20 }, 'at+jwt');
    expect((await call('/api/one', canaries.keep('access token', token))).status).toBe(200);
    testGateway.advance(58_000);
    expect((await call('/api/two', token)).status).toBe(401);
  });

  it('is limited by its issuer and subject', async () => {
    const [own, foreign] = await Promise.all([
      issuer.sign(claims(issuer), 'at+jwt'),
      other.sign(claims(other), 'at+jwt'),
    ]);
    const statuses = [];
    for (const token of [own, foreign, own])
      statuses.push((await call('/limited/one', canaries.keep('access token', token))).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  it.each(['c_hash', 's_hash', 'events'])('is not one with the claim %s of another token', async (name) => {
    const token = await issuer.sign({ ...claims(), [name]: 'x' }, 'at+jwt');
    expect((await call('/api/one', canaries.keep('access token', token))).status).toBe(401);
  });
});

describe('an issuer', () => {
  it('is found by the metadata of an authorization server (RFC 8414), and only under its own name', async () => {
    const { jwks_uri: jwksUri } = issuer.metadata;
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      const isKnown = path.startsWith('/.well-known/oauth-authorization-server');
      const name = path.endsWith('/liar') ? '/honest' : path.replace(/^\/\.well-known\/[^/]+/, '') || '/';
      response
        .writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' })
        .end(JSON.stringify({ issuer: `${base}${name}`, jwks_uri: jwksUri }));
    });
    const listener = await listenOnLoopback(server);
    const base = `http://127.0.0.1:${listener.port}`;
    const { gateway, upstream } = testGateway;
    const issuers = [`${base}/honest`, `${base}/liar`, base];
    await gateway.reload({
      routes: [{ path: '/api', upstream: upstream.url, bearer: { issuers, audience: AUDIENCE } }],
    });
    const ask = async (iss: string) => {
      const token = await issuer.sign({ ...claims(), iss }, 'at+jwt');
      return (await call('/api/one', canaries.keep('access token', token))).status;
    };
    expect(await ask(`${base}/honest`)).toBe(200);
    expect(await ask(`${base}/liar`)).toBe(503);
    // Its metadata name `${base}/`.
    expect(await ask(base)).toBe(503);
    await listener.stop();
  });
});

describe('tokens with unknown keys', () => {
  it('count as not valid, also once the keys of the issuer are not fetched for them any more', async () => {
    // The count decreases with time.
    testGateway.stopClock();
    const statuses = [];
    for (let at = 0; at < 70; at += 1)
      statuses.push((await call('/api/one', await signedByAttacker({ kid: `unknown-${at}` }))).status);
    expect(statuses[0]).toBe(401);
    expect(statuses).toContain(503);
    expect(statuses.at(-1)).toBe(429);
  });
});
