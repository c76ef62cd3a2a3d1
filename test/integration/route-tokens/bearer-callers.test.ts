import { generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';
import { echo, status } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';
import type { AgentRequest } from '../../../testkit/user-agent/user-agent.ts';

const AUDIENCE = 'https://api.test';
/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let issuer: FakeProvider;
let testGateway: TestGateway;

beforeAll(async () => {
  issuer = await startFakeProvider();
});
afterAll(() => issuer.close());

beforeEach(async () => {
  const bearer = { issuers: [issuer.issuer], audience: AUDIENCE };
  testGateway = await openTestGatewayForTest({
    routes: [
      { path: '/api', bearer, websocket: true },
      { path: '/browsers' },
      { path: '/optional', bearer, auth: 'optional' },
      { path: '/client', bearer, token: 'client' },
      { path: '/none', bearer, token: 'none' },
      { path: '/admin', bearer, require: [{ claim: '/roles', contains: 'admin' }], websocket: true },
      { path: '/scoped', bearer, require: [{ scope: 'items.write' }] },
      { path: '/limited', bearer, maxPerMinute: 2 },
    ],
    config: { login: { require: [{ claim: '/email', endsWith: '@example.test' }] } },
  });
  testGateway.upstream.respond(echo);
});

/** Other claims; undefined leaves one out. */
type Changes = Readonly<Record<string, unknown>>;

const now = () => Math.floor(Date.now() / 1000);
const claimsWith = (changes: Changes = {}): JWTPayload => ({
  iss: issuer.issuer,
  sub: 'machine-1',
  aud: AUDIENCE,
  exp: now() + 300,
  iat: now(),
  jti: `canary-bearer-${crypto.randomUUID()}`,
  ...changes,
});
const tokenWith = async (changes: Changes = {}, typ = 'at+jwt') =>
  canaries.keep('access token', await issuer.sign(claimsWith(changes), typ));
const call = (path: string, token: string, { headers, ...init }: AgentRequest = {}) =>
  testGateway.browser().request(path, { ...init, headers: { authorization: `Bearer ${token}`, ...headers } });
const authorizations = () =>
  testGateway.upstream.requests.map((request) =>
    request.headers.filter(([name]) => name.toLowerCase() === 'authorization').map(([, value]) => value),
  );

describe('a caller with an access token of its own', () => {
  it('passes with its own token, without a session, and without the rules against foreign pages', async () => {
    const token = await tokenWith();
    const responses = await Promise.all([
      call('/api/one', token),
      call('/api/two', token, { method: 'POST', body: Buffer.from('{}') }),
      call('/optional/one', token),
    ]);
    expect(responses.map((response) => response.status)).toEqual([200, 200, 200]);
    expect(authorizations()).toEqual(responses.map(() => [`Bearer ${token}`]));
    expect(responses.flatMap(({ setCookies }) => setCookies)).toEqual([]);
    expect(issuer.requests.filter(({ endpoint }) => endpoint === 'jwks')).toHaveLength(1);
  });

  it.each(['at+jwt', 'application/at+jwt', 'JWT'])('may send a token of type %s', async (typ) => {
    expect((await call('/api/one', await tokenWith({}, typ))).status).toBe(200);
  });

  it('is rejected on a route that does not accept it, as a browser without a session', async () => {
    const response = await call('/browsers/one', await tokenWith(), { headers: { 'x-csrf': '1' } });
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_required' }]);
    expect(response.header('www-authenticate')).toBeUndefined();
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it.each<[string, Changes, string?]>([
    ['another issuer', { iss: 'https://other.test' }],
    ['an issuer with another final slash', { iss: 'ISSUER/' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'https://other.test' }],
    ['no audience', { aud: undefined }],
    ['an end in the past', { exp: now() - 120 }],
    ['no end', { exp: undefined }],
    ['a beginning in the future', { nbf: now() + 120 }],
    ['no subject', { sub: undefined }],
    ['a key that it is bound to', { cnf: { jkt: 'thumbprint' } }],
    ['the nonce of an ID token', { nonce: 'n' }],
    ['the hash of an ID token', { at_hash: 'h' }],
    ['the type of a logout token', {}, 'logout+jwt'],
    ['another type', {}, 'dpop+jwt'],
  ])('gets 401 for a token with %s', async (_what, changes, typ) => {
    const iss = changes['iss'] === 'ISSUER/' ? { iss: `${issuer.issuer}/` } : {};
    const response = await call('/api/one', await tokenWith({ ...changes, ...iss }, typ));
    expect([response.status, response.json()]).toMatchObject([401, { code: 'session_required' }]);
    expect(response.header('www-authenticate')).toBe('Bearer error="invalid_token"');
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('gets 401 for a token that the issuer did not sign', async () => {
    const { privateKey } = await generateKeyPair('RS256');
    const forged = await new SignJWT(claimsWith())
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' })
      .sign(privateKey);
    const hmac = await new SignJWT(claimsWith())
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      .sign(new TextEncoder().encode('a-secret-that-is-long-enough-for-hs256'));
    const none = new UnsecuredJWT(claimsWith()).encode();
    const [head, payload] = (await tokenWith()).split('.');
    for (const token of [forged, hmac, none, `${head}.${payload}.`, 'opaque', '']) {
      const response = await call('/optional/one', token);
      expect([token, response.status]).toEqual([token, 401]);
    }
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('is limited by its address after many tokens that are not valid', async () => {
    // The count decreases with time.
    testGateway.stopClock();
    const statuses = [];
    for (let i = 0; i < 62; i += 1) statuses.push((await call('/api/one', `forged-${i}`)).status);
    expect(statuses.slice(0, 60)).toEqual(statuses.slice(0, 60).map(() => 401));
    expect(statuses.at(-1)).toBe(429);
    expect((await call('/api/one', await tokenWith())).status).toBe(429);
  });

  it('must not have a session as well', async () => {
    await testGateway.agent.signIn();
    const headers = { authorization: `Bearer ${await tokenWith()}`, 'x-csrf': '1' };
    const response = await testGateway.agent.request('/api/one', { headers });
    expect([response.status, response.json()]).toMatchObject([400, { code: 'bad_request' }]);
    expect(testGateway.upstream.requests).toEqual([]);
    // The browser itself is unaffected.
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
  });

  it('gets the token of the route sent, or none', async () => {
    const token = await tokenWith();
    expect((await call('/client/one', token)).status).toBe(200);
    expect((await call('/none/one', token)).status).toBe(200);
    const [client] = testGateway.provider.families[0]?.accessTokens ?? [];
    expect(authorizations()).toEqual([[`Bearer ${client?.token}`], []]);
  });

  it('is judged by the rules of the route, by the claims and scopes of its token', async () => {
    expect((await call('/admin/one', await tokenWith({ roles: ['admin'] }))).status).toBe(200);
    const response = await call('/admin/one', await tokenWith({ roles: ['user'] }));
    expect([response.status, response.json()]).toMatchObject([403, { code: 'not_allowed' }]);
    expect((await call('/scoped/one', await tokenWith({ scope: 'a items.write' }))).status).toBe(200);
    expect((await call('/scoped/one', await tokenWith({ scp: ['items.write'] }))).status).toBe(200);
    expect((await call('/scoped/one', await tokenWith({ scope: 'items.writer' }))).status).toBe(403);
    expect((await call('/scoped/one', await tokenWith())).status).toBe(403);
  });

  it('has its own rate limit', async () => {
    const [one, two] = [await tokenWith({ sub: 'one' }), await tokenWith({ sub: 'two' })];
    const statuses = [];
    for (const token of [one, one, one, two]) statuses.push((await call('/limited/x', token)).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
  });

  it('gets the 401 of the upstream, without a refresh or a step-up', async () => {
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
    const response = await call('/api/one', await tokenWith());
    expect([response.status, response.header('www-authenticate')]).toEqual([401, challenge]);
    expect(testGateway.upstream.requests).toHaveLength(1);
  });

  it('opens a WebSocket without Origin, which ends with the token', async () => {
    const token = await tokenWith({ exp: now() + 300 });
    const headers = { authorization: `Bearer ${token}` };
    const socket = await testGateway.browser().websocket('/api/live', { headers });
    expect(testGateway.upstream.upgrades[0]?.header('authorization')).toBe(`Bearer ${token}`);
    socket.close();
    const short = await tokenWith({ exp: now() + 2 });
    const ending = await testGateway
      .browser()
      .websocket('/api/live', { headers: { authorization: `Bearer ${short}` } });
    expect(await ending.closed).toMatchObject({ code: 1008 });
    await expect(
      testGateway.browser().websocket('/api/live', { headers: { authorization: 'Bearer x' } }),
    ).rejects.toThrow('401');
  });

  it('opens no WebSocket beside a session, or against a rule', async () => {
    const { agent, browser, upstream } = testGateway;
    await agent.signIn();
    const headers = { authorization: `Bearer ${await tokenWith({ roles: ['user'] })}` };
    await expect(agent.websocket('/api/live', { headers })).rejects.toMatchObject({ status: 400 });
    await expect(browser().websocket('/admin/live', { headers })).rejects.toMatchObject({ status: 403 });
    expect(upstream.upgrades).toEqual([]);
  });

  it('gets 503 while the keys of the issuer cannot be fetched, and passes afterwards', async () => {
    const token = await tokenWith();
    await issuer.stop();
    for (let i = 0; i < 3; i += 1) {
      const response = await call('/api/one', token);
      expect([response.status, response.json()]).toMatchObject([503, { code: 'provider_unavailable' }]);
    }
    await issuer.start();
    testGateway.advance(6_000);
    await vi.waitFor(async () => expect((await call('/api/two', token)).status).toBe(200), PATIENCE);
  });
});

describe('a caller with a token of its own, at GET /auth/check', () => {
  it('needs no sign of the page for an unsafe request, as on the route itself', async () => {
    await testGateway.gateway.reload({ trustProxy: ['127.0.0.1'] });
    const ask = async (uri: string, headers: Record<string, string> = {}) => {
      const asked = { 'x-forwarded-uri': uri, 'x-forwarded-method': 'POST', ...headers };
      return (await call('/auth/check', await tokenWith(), { headers: asked })).status;
    };
    expect(await ask('/api/one')).toBe(200);
    // This route takes no such token, so that its CSRF check applies.
    expect(await ask('/browsers/one')).toBe(403);
    // Browsers add no `Authorization` to a handshake.
    expect(await ask('/api/live', { 'x-forwarded-method': 'GET', 'sec-websocket-key': 'x' })).toBe(200);
    expect(await ask('/optional/live', { 'sec-websocket-key': 'x' })).toBe(403);
  });
});

describe('a WebSocket and an event stream of a caller with a token of its own', () => {
  async function openBoth() {
    const { agent, upstream } = testGateway;
    const headers = { authorization: `Bearer ${await tokenWith()}` };
    const stream = controlledStream();
    upstream.respond(stream.behaviour);
    const events = await agent.open('/api/events', { headers });
    expect(events.status).toBe(200);
    await stream.write('data: one\n\n');
    const socket = await agent.websocket('/api/live', { headers });
    const streamClosed = stream.opened.then(
      (response) => new Promise<string>((resolve) => response.once('close', () => resolve('closed'))),
    );
    return { socket, stream, streamClosed };
  }
  const reloadWith = (bearer: Record<string, unknown>) => {
    const { gateway, upstream } = testGateway;
    return gateway.reload({ routes: [{ path: '/api', upstream: upstream.url, websocket: true, bearer }] });
  };

  it.each<[string, () => Record<string, unknown>]>([
    ['its issuer', () => ({ issuers: ['https://other.test'], audience: AUDIENCE })],
    ['all issuers', () => ({})],
    ['its audience', () => ({ issuers: [issuer.issuer], audience: 'https://other.test' })],
  ])('end when a reload removes %s', async (_what, bearer) => {
    const { socket, streamClosed } = await openBoth();
    await reloadWith(bearer());
    expect((await socket.closed).code).toBe(1012);
    expect(await streamClosed).toBe('closed');
  });

  it('go on when a reload adds an issuer, as those of a session do when it removes all', async () => {
    const { socket, stream } = await openBoth();
    await reloadWith({ issuers: ['https://other.test', issuer.issuer], audience: AUDIENCE });
    socket.send('two');
    expect(await socket.next()).toBe('two');
    await stream.write('data: two\n\n');
    issuer.patchIdToken = (claims) => ({ ...claims, email: 'alice@example.test' });
    await testGateway.agent.signIn();
    const own = await testGateway.agent.websocket('/api/live');
    await reloadWith({});
    own.send('three');
    expect(await own.next()).toBe('three');
    own.close();
  });
});
