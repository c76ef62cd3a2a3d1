import { generateKeyPairSync, sign } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { login } from '../../../testkit/gateway/login-steps.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import {
  openTestGatewayForTest,
  openTestGatewayForEachTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import { expectRefusal } from './refusal.ts';

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

/** Expects a rejected login with a reason for developers, and no session or cookie. */
const expectRefused = (response: AgentResponse, reason: RegExp, agent = testGateway.agent) =>
  expectRefusal(response, reason, { agent, redis });
const tokenCalls = () => testGateway.provider.tokenCalls();

describe('an authorization response (standards: B8, B9)', () => {
  it.each([
    ['has an additional slash', (issuer: string) => `${issuer}/`],
    ['has another letter case', (issuer: string) => issuer.replace('http', 'HTTP')],
    ['has a path', (issuer: string) => `${issuer}/realm`],
    ['belongs to another provider', () => 'https://other.example'],
    ['is empty', () => ''],
  ])('is rejected when its iss %s and its code is not redeemed', async (_what, change) => {
    testGateway.provider.patchAuthorizationResponse = ({ iss = '', ...rest }) => ({
      ...rest,
      iss: change(iss),
    });
    await expectRefused(await login(testGateway.agent), /"iss"/);
    expect(tokenCalls()).toBe(0);
  });

  it('is rejected without an iss when the provider announces the parameter', async () => {
    testGateway.provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    await expectRefused(await login(testGateway.agent), /"iss" \(issuer\) missing/);
    expect(tokenCalls()).toBe(0);
  });

  it('is accepted without an iss when the provider does not announce it, but rejected with a wrong iss', async () => {
    const provider = await startFakeProvider();
    provider.metadata['authorization_response_iss_parameter_supported'] = false;
    const other = await openTestGatewayForTest({ provider, store: redis.url });
    provider.patchAuthorizationResponse = (response) => ({ ...response, iss: 'https://other.example' });
    await expectRefused(await login(other.agent), /"iss"/, other.agent);
    expect(provider.tokenCalls()).toBe(0);

    provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    expect((await login(other.agent)).status).toBe(303);
    provider.patchAuthorizationResponse = undefined;
    expect((await login(other.agent)).status).toBe(303);
  });

  it('with an error reports the error to the developer', async () => {
    testGateway.provider.user = undefined;
    await expectRefused(
      await login(testGateway.agent),
      /^the provider returned access_denied \(the person went away\)$/,
    );
    await expectRefused(await login(testGateway.agent, '?prompt=none'), /login_required/);
    expect(testGateway.gateway.logs()).toContain('login failed');
  });

  it('with an error is rejected when its iss is wrong', async () => {
    testGateway.provider.user = undefined;
    testGateway.provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    await expectRefused(await login(testGateway.agent), /"iss" \(issuer\) missing/);
  });

  it('with markup in its error produces a response without markup (standards: C23)', async () => {
    const markup = '<script>alert(1)</script>';
    testGateway.provider.patchAuthorizationResponse = ({ state = '', iss = '' }) => ({
      state,
      iss,
      error: markup,
      error_description: `"><img src=x onerror=alert(1)> & \u0000\u001b[31m ünïcode ${'x'.repeat(1_000)}`,
      error_uri: 'https://evil.example/',
    });
    const response = await login(testGateway.agent);
    await expectRefused(response, /^the provider returned <script>/);
    expect(response.text()).not.toMatch(/[<>&]/);
    expect(response.text()).not.toContain('evil.example');
    expect(response.text().length).toBeLessThan(1_000);
    expect(response.header('x-content-type-options')).toBe('nosniff');
    expect(response.header('content-security-policy')).toContain("default-src 'none'");
    expect(tokenCalls()).toBe(0);
  });

  it('with an error and a code is treated as an error', async () => {
    testGateway.provider.patchAuthorizationResponse = (response) => ({ ...response, error: 'access_denied' });
    await expectRefused(await login(testGateway.agent), /access_denied/);
    expect(tokenCalls()).toBe(0);
  });
});

describe('the ID token of a login', () => {
  /** Changes claims; undefined removes a claim. */
  const claims = (change: (given: JWTPayload) => Record<string, unknown>) => (given: JWTPayload) =>
    ({ ...given, ...change(given) }) as JWTPayload;

  it.each([
    ['C4', 'iss names another issuer', /"iss"/, claims(() => ({ iss: 'https://other.example' }))],
    ['C4', 'iss has an additional slash', /"iss"/, claims(({ iss }) => ({ iss: `${iss}/` }))],
    ['C4', 'iss is missing', /"iss"/, claims(() => ({ iss: undefined }))],
    ['C5', 'aud names another client', /"aud"/, claims(() => ({ aud: 'other' }))],
    ['C5', 'aud is a list of only other clients', /"aud"/, claims(() => ({ aud: ['other', 'another'] }))],
    ['C5', 'aud is missing', /"aud"/, claims(() => ({ aud: undefined }))],
    ['C5', 'aud names another client in addition', /"aud"/, claims(() => ({ aud: ['web', 'other'] }))],
    [
      'C5',
      'aud names another client in addition and azp names this client',
      /"aud"/,
      claims(() => ({ aud: ['web', 'other'], azp: 'web' })),
    ],
    ['C6', 'azp names another client', /"azp"/, claims(() => ({ azp: 'other' }))],
    ['C12', 'sub is empty', /"sub"/, claims(() => ({ sub: '' }))],
    ['C12', 'sub is longer than 255 characters', /"sub"/, claims(() => ({ sub: 's'.repeat(256) }))],
    ['C10', 'exp was six minutes ago', /"exp"/, claims(({ iat = 0 }) => ({ exp: iat - 360 }))],
    ['C10', 'exp is a string', /"exp"/, claims(({ exp }) => ({ exp: `${exp}` }))],
    ['C10', 'exp is negative', /"exp"/, claims(() => ({ exp: -1 }))],
    ['C10', 'exp is null', /"exp"/, claims(() => ({ exp: null }))],
    ['C10', 'exp is missing', /"exp"/, claims(() => ({ exp: undefined }))],
    ['C10', 'iat is missing', /"iat"/, claims(() => ({ iat: undefined }))],
    ['C10', 'iat is a string', /"iat"/, claims(() => ({ iat: 'now' }))],
    ['C10', 'nbf is six minutes ahead', /"nbf"/, claims(({ iat = 0 }) => ({ nbf: iat + 360 }))],
    ['C11', 'nonce differs', /"nonce"/, claims(() => ({ nonce: 'other' }))],
    ['C11', 'nonce is missing', /"nonce"/, claims(() => ({ nonce: undefined }))],
    ['C12', 'sub is missing', /"sub"/, claims(() => ({ sub: undefined }))],
    ['C12', 'sub is a number', /"sub"/, claims(() => ({ sub: 5 }))],
  ])('is rejected when %s: %s (standards: B5)', async (_row, _what, reason, patch) => {
    testGateway.provider.patchIdToken = patch;
    await expectRefused(await login(testGateway.agent), reason);
    expect(testGateway.provider.requests.map(({ endpoint }) => endpoint)).not.toContain('userinfo');
  });

  it.each([
    ['is not signed', 'none', /"alg"/],
    ['is signed by HMAC with the public key', 'HS256', /"alg"/],
    ['is signed by a key the provider does not publish', 'other-key', /signature/],
  ] as const)('is rejected when it %s (standards: C7, C8)', async (_what, how, reason) => {
    testGateway.provider.signWith(how);
    await expectRefused(await login(testGateway.agent), reason);
  });

  it.each(['none', 'None', 'nOnE', 'RS512', 'ES256', ''])(
    'is rejected when its header names the algorithm "%s" (standards: C8)',
    async (alg) => {
      testGateway.provider.patchTokenResponse = (json) => ({
        ...json,
        id_token: withHeader(json['id_token'], { alg }),
      });
      await expectRefused(await login(testGateway.agent), /"alg"/);
    },
  );

  it('is rejected when it contains or references its own key, which is not fetched (standards: C8)', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const url = `${testGateway.upstream.url}/keys`;
    const jwk = publicKey.export({ format: 'jwk' });
    testGateway.provider.patchTokenResponse = (json) => {
      const unsigned = withHeader(json['id_token'], { alg: 'RS256', jku: url, x5u: url, jwk });
      const signature = sign('RSA-SHA256', Buffer.from(unsigned.slice(0, -1)), privateKey);
      return { ...json, id_token: unsigned + signature.toString('base64url') };
    };
    await expectRefused(await login(testGateway.agent), /signature/);
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('is accepted with a single audience in a list (standards: C5)', async () => {
    testGateway.provider.patchIdToken = claims(() => ({ aud: ['web'] }));
    expect((await login(testGateway.agent)).status).toBe(303);
  });

  it('is accepted with this client as azp (standards: C6)', async () => {
    testGateway.provider.patchIdToken = claims(() => ({ azp: 'web' }));
    expect((await login(testGateway.agent)).status).toBe(303);
  });

  it('is accepted with a clock difference of a few seconds (standards: C10)', async () => {
    testGateway.provider.clockOffsetMs = 15_000;
    expect((await login(testGateway.agent)).status).toBe(303);
    testGateway.provider.clockOffsetMs = -15_000;
    expect((await login(testGateway.agent)).status).toBe(303);
  });

  it('is treated as an outage with 503 while the JWKS cannot be fetched', async () => {
    testGateway.provider.faults.jwks = { status: 503 };
    const response = await login(testGateway.agent);
    expect(response.status).toBe(503);
    expect(response.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
    testGateway.provider.faults.clear();
    expect((await login(testGateway.agent)).status).toBe(303);
  });
});

describe('the token response to a login', () => {
  const without = (name: string) => (json: Record<string, unknown>) => ({ ...json, [name]: undefined });
  const json = (
    status: number,
    body: Record<string, unknown> | string,
    headers: Record<string, string> = {},
  ) => ({
    status,
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

  it.each(['BEARER', 'bearer', 'Bearer'])(
    'is accepted with the token_type %s (standards: C15)',
    async (type) => {
      testGateway.provider.patchTokenResponse = (given) => ({ ...given, token_type: type });
      expect((await login(testGateway.agent)).status).toBe(303);
    },
  );

  it.each([
    ['has an unknown token_type', /token_type/, (given: object) => ({ ...given, token_type: 'mac' })],
    ['has no token_type', /"token_type"/, without('token_type')],
    ['has no access token', /"access_token"/, without('access_token')],
    ['has no ID token', /"id_token"/, without('id_token')],
    [
      'has a malformed ID token',
      /^the ID token is invalid/,
      (given: object) => ({ ...given, id_token: 'a.b.c' }),
    ],
  ])('is rejected when it %s (standards: C15)', async (_what, reason, patch) => {
    testGateway.provider.patchTokenResponse = patch;
    await expectRefused(await login(testGateway.agent), reason);
  });

  it.each([
    [
      'is an HTML page',
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
      /content-type/,
    ],
    ['is truncated', json(200, '{"access_token":'), /JSON/],
    ['is a list', json(200, '[]'), /object/],
    ['is a redirect', { status: 302, headers: { location: 'https://evil.example/' } }, /status code/],
    ['is too large', json(200, `{"access_token":"${'x'.repeat(1_100_000)}"}`), /longer than/],
    [
      'rejects the code',
      json(400, { error: 'invalid_grant', error_description: '<b>old</b>' }),
      /invalid_grant/,
    ],
    ['rejects the client', json(400, { error: 'unauthorized_client' }), /unauthorized_client/],
    [
      'reports an unknown client',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      /clientSecret/,
    ],
  ])('is reported to the developer when it %s', async (_what, fault, reason) => {
    testGateway.provider.faults.token = fault;
    const response = await login(testGateway.agent);
    await expectRefused(response, reason);
    expect(response.text()).not.toMatch(/[<>&]/);
  });

  it.each([
    ['is 500', { status: 500 }],
    ['is 503', { status: 503, headers: { 'retry-after': '7' } }],
    ['is 429', { status: 429 }],
  ])('is treated as an outage with 503 and Retry-After when its status %s', async (_what, fault) => {
    testGateway.provider.faults.token = fault;
    const response = await login(testGateway.agent);
    expect(response.status).toBe(503);
    expect(response.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(Number(response.header('retry-after'))).toBeGreaterThan(0);
    expect(testGateway.agent.cookies.all()).toEqual([]);
  });

  it('is treated as an outage when it never arrives', async () => {
    testGateway.provider.faults.dropBefore('token');
    expect((await login(testGateway.agent)).json()).toMatchObject({ code: 'provider_unavailable' });
    const other = await openTestGatewayForTest({ config: { provider: { timeout: '200ms' } } });
    other.provider.faults.hold('token');
    expect((await login(other.agent)).json()).toMatchObject({ code: 'provider_unavailable' });
  });
});

/** The claims of a token under another header, without a signature: the result ends in a full stop. */
function withHeader(token: unknown, header: Record<string, unknown>): string {
  const [, payload = ''] = String(token).split('.');
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`;
}
