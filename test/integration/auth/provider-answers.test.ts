import { generateKeyPairSync, sign } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider.ts';
import { login } from '../../../testkit/login-steps.ts';
import type { RedisServer } from '../../../testkit/redis-server.ts';
import { openTestRig, openTestRigs } from '../../../testkit/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import { expectRefusal } from './refusal.ts';

let redis: RedisServer;
let rig: TestGateway;

openTestRigs((opened) => ({ redis, rig } = opened));

/** Expects a refused login, with a reason for the developer, that left nothing behind. */
const expectRefused = (answer: AgentResponse, reason: RegExp, agent = rig.agent) =>
  expectRefusal(answer, reason, { agent, redis });
const tokenCalls = () => rig.provider.tokenCalls();

describe('an authorization response (standards: B8, B9)', () => {
  it.each([
    ['has a slash more', (issuer: string) => `${issuer}/`],
    ['is spelled with another case', (issuer: string) => issuer.replace('http', 'HTTP')],
    ['has a path', (issuer: string) => `${issuer}/realm`],
    ["is another provider's", () => 'https://other.example'],
    ['is empty', () => ''],
  ])('is refused when its iss %s, and its code is sent nowhere', async (_what, change) => {
    rig.provider.patchAuthorizationResponse = ({ iss = '', ...rest }) => ({ ...rest, iss: change(iss) });
    await expectRefused(await login(rig.agent), /"iss"/);
    expect(tokenCalls()).toBe(0);
  });

  it('is refused without an iss where the provider announced one', async () => {
    rig.provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    await expectRefused(await login(rig.agent), /"iss" \(issuer\) missing/);
    expect(tokenCalls()).toBe(0);
  });

  it('needs no iss where the provider announced none, but a wrong one is refused all the same', async () => {
    const provider = await startFakeProvider();
    provider.metadata['authorization_response_iss_parameter_supported'] = false;
    const other = await openTestRig({ provider, store: redis.url });
    provider.patchAuthorizationResponse = (response) => ({ ...response, iss: 'https://other.example' });
    await expectRefused(await login(other.agent), /"iss"/, other.agent);
    expect(provider.tokenCalls()).toBe(0);

    provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    expect((await login(other.agent)).status).toBe(303);
    provider.patchAuthorizationResponse = undefined;
    expect((await login(other.agent)).status).toBe(303);
  });

  it('with an error is told to the developer', async () => {
    rig.provider.user = undefined;
    await expectRefused(
      await login(rig.agent),
      /^the provider answered access_denied \(the person went away\)$/,
    );
    await expectRefused(await login(rig.agent, '?prompt=none'), /login_required/);
    expect(rig.gateway.logs()).toContain('login refused');
  });

  it('with an error must have the right iss, too', async () => {
    rig.provider.user = undefined;
    rig.provider.patchAuthorizationResponse = ({ iss: _iss, ...rest }) => rest;
    await expectRefused(await login(rig.agent), /"iss" \(issuer\) missing/);
  });

  it('with markup in its error is answered with none (standards: C23)', async () => {
    const markup = '<script>alert(1)</script>';
    rig.provider.patchAuthorizationResponse = ({ state = '', iss = '' }) => ({
      state,
      iss,
      error: markup,
      error_description: `"><img src=x onerror=alert(1)> & \u0000\u001b[31m ünïcode ${'x'.repeat(1_000)}`,
      error_uri: 'https://evil.example/',
    });
    const answer = await login(rig.agent);
    await expectRefused(answer, /^the provider answered <script>/);
    expect(answer.text()).not.toMatch(/[<>&]/);
    expect(answer.text()).not.toContain('evil.example');
    expect(answer.text().length).toBeLessThan(1_000);
    expect(answer.header('x-content-type-options')).toBe('nosniff');
    expect(answer.header('content-security-policy')).toContain("default-src 'none'");
    expect(tokenCalls()).toBe(0);
  });

  it('with an error and a code is an error', async () => {
    rig.provider.patchAuthorizationResponse = (response) => ({ ...response, error: 'access_denied' });
    await expectRefused(await login(rig.agent), /access_denied/);
    expect(tokenCalls()).toBe(0);
  });
});

describe('the ID token of a login', () => {
  /** Changes claims; a claim that is undefined goes. */
  const claims = (change: (given: JWTPayload) => Record<string, unknown>) => (given: JWTPayload) =>
    ({ ...given, ...change(given) }) as JWTPayload;

  it.each([
    ['C4', 'iss is of another issuer', /"iss"/, claims(() => ({ iss: 'https://other.example' }))],
    ['C4', 'iss has a slash more', /"iss"/, claims(({ iss }) => ({ iss: `${iss}/` }))],
    ['C4', 'iss is missing', /"iss"/, claims(() => ({ iss: undefined }))],
    ['C5', 'aud is another client', /"aud"/, claims(() => ({ aud: 'other' }))],
    ['C5', 'aud is a list of other clients', /"aud"/, claims(() => ({ aud: ['other', 'another'] }))],
    ['C5', 'aud is missing', /"aud"/, claims(() => ({ aud: undefined }))],
    ['C5', 'aud names another client besides us', /"aud"/, claims(() => ({ aud: ['web', 'other'] }))],
    [
      'C5',
      'aud names another client besides us, and azp us',
      /"aud"/,
      claims(() => ({ aud: ['web', 'other'], azp: 'web' })),
    ],
    ['C6', 'azp is another client', /"azp"/, claims(() => ({ azp: 'other' }))],
    ['C12', 'sub is empty', /"sub"/, claims(() => ({ sub: '' }))],
    ['C12', 'sub is longer than any may be', /"sub"/, claims(() => ({ sub: 's'.repeat(256) }))],
    ['C10', 'exp was six minutes ago', /"exp"/, claims(({ iat = 0 }) => ({ exp: iat - 360 }))],
    ['C10', 'exp is a text', /"exp"/, claims(({ exp }) => ({ exp: `${exp}` }))],
    ['C10', 'exp is negative', /"exp"/, claims(() => ({ exp: -1 }))],
    ['C10', 'exp is null', /"exp"/, claims(() => ({ exp: null }))],
    ['C10', 'exp is missing', /"exp"/, claims(() => ({ exp: undefined }))],
    ['C10', 'iat is missing', /"iat"/, claims(() => ({ iat: undefined }))],
    ['C10', 'iat is a text', /"iat"/, claims(() => ({ iat: 'now' }))],
    ['C10', 'nbf is six minutes ahead', /"nbf"/, claims(({ iat = 0 }) => ({ nbf: iat + 360 }))],
    ['C11', 'nonce is another', /"nonce"/, claims(() => ({ nonce: 'other' }))],
    ['C11', 'nonce is missing', /"nonce"/, claims(() => ({ nonce: undefined }))],
    ['C12', 'sub is missing', /"sub"/, claims(() => ({ sub: undefined }))],
    ['C12', 'sub is a number', /"sub"/, claims(() => ({ sub: 5 }))],
  ])('is refused when %s: %s (standards: B5)', async (_row, _what, reason, patch) => {
    rig.provider.patchIdToken = patch;
    await expectRefused(await login(rig.agent), reason);
    expect(rig.provider.requests.map(({ endpoint }) => endpoint)).not.toContain('userinfo');
  });

  it.each([
    ['is not signed', 'none', /"alg"/],
    ['is signed by HMAC with the public key', 'HS256', /"alg"/],
    ['is signed by a key the provider does not publish', 'other-key', /signature/],
  ] as const)('is refused when it %s (standards: C7, C8)', async (_what, how, reason) => {
    rig.provider.signWith(how);
    await expectRefused(await login(rig.agent), reason);
  });

  it.each(['none', 'None', 'nOnE', 'RS512', 'ES256', ''])(
    'is refused when its header names the algorithm "%s" (standards: C8)',
    async (alg) => {
      rig.provider.patchTokenResponse = (json) => ({
        ...json,
        id_token: withHeader(json['id_token'], { alg }),
      });
      await expectRefused(await login(rig.agent), /"alg"/);
    },
  );

  it('is refused when it brings or names its own key, which nobody fetches (standards: C8)', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const url = `${rig.upstream.url}/keys`;
    const jwk = publicKey.export({ format: 'jwk' });
    rig.provider.patchTokenResponse = (json) => {
      const unsigned = withHeader(json['id_token'], { alg: 'RS256', jku: url, x5u: url, jwk });
      const signature = sign('RSA-SHA256', Buffer.from(unsigned.slice(0, -1)), privateKey);
      return { ...json, id_token: unsigned + signature.toString('base64url') };
    };
    await expectRefused(await login(rig.agent), /signature/);
    expect(rig.upstream.requests).toEqual([]);
  });

  it('may name its one audience in a list (standards: C5)', async () => {
    rig.provider.patchIdToken = claims(() => ({ aud: ['web'] }));
    expect((await login(rig.agent)).status).toBe(303);
  });

  it('may name us as the party it was issued to (standards: C6)', async () => {
    rig.provider.patchIdToken = claims(() => ({ azp: 'web' }));
    expect((await login(rig.agent)).status).toBe(303);
  });

  it('may be dated a few seconds off (standards: C10)', async () => {
    rig.provider.clockOffsetMs = 15_000;
    expect((await login(rig.agent)).status).toBe(303);
    rig.provider.clockOffsetMs = -15_000;
    expect((await login(rig.agent)).status).toBe(303);
  });

  it('is not judged while the keys cannot be fetched: that is an outage', async () => {
    rig.provider.faults.jwks = { status: 503 };
    const answer = await login(rig.agent);
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
    rig.provider.faults.clear();
    expect((await login(rig.agent)).status).toBe(303);
  });
});

describe('the answer of the token endpoint to a login', () => {
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

  it.each(['BEARER', 'bearer', 'Bearer'])('may have the token_type %s (standards: C15)', async (type) => {
    rig.provider.patchTokenResponse = (given) => ({ ...given, token_type: type });
    expect((await login(rig.agent)).status).toBe(303);
  });

  it.each([
    ['has a token_type it does not know', /token_type/, (given: object) => ({ ...given, token_type: 'mac' })],
    ['has no token_type', /"token_type"/, without('token_type')],
    ['has no access token', /"access_token"/, without('access_token')],
    ['has no ID token', /"id_token"/, without('id_token')],
    [
      'has an ID token that is none',
      /^the ID token is refused/,
      (given: object) => ({ ...given, id_token: 'a.b.c' }),
    ],
  ])('is refused when it %s (standards: C15)', async (_what, reason, patch) => {
    rig.provider.patchTokenResponse = patch;
    await expectRefused(await login(rig.agent), reason);
  });

  it.each([
    ['is a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, /content-type/],
    ['is cut off', json(200, '{"access_token":'), /JSON/],
    ['is a list', json(200, '[]'), /object/],
    ['is a redirect', { status: 302, headers: { location: 'https://evil.example/' } }, /status code/],
    ['is endless', json(200, `{"access_token":"${'x'.repeat(1_100_000)}"}`), /longer than/],
    [
      'refuses the code',
      json(400, { error: 'invalid_grant', error_description: '<b>old</b>' }),
      /invalid_grant/,
    ],
    ['refuses the client', json(400, { error: 'unauthorized_client' }), /unauthorized_client/],
    [
      'does not know the client',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      /clientSecret/,
    ],
  ])('is told to the developer when it %s', async (_what, fault, reason) => {
    rig.provider.faults.token = fault;
    const answer = await login(rig.agent);
    await expectRefused(answer, reason);
    expect(answer.text()).not.toMatch(/[<>&]/);
  });

  it.each([
    ['is 500', { status: 500 }],
    ['is 503', { status: 503, headers: { 'retry-after': '7' } }],
    ['is 429', { status: 429 }],
  ])('is an outage when it %s: 503 with Retry-After', async (_what, fault) => {
    rig.provider.faults.token = fault;
    const answer = await login(rig.agent);
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(Number(answer.header('retry-after'))).toBeGreaterThan(0);
    expect(rig.agent.cookies.all()).toEqual([]);
  });

  it('is an outage when it does not come', async () => {
    rig.provider.faults.dropBefore('token');
    expect((await login(rig.agent)).json()).toMatchObject({ code: 'provider_unavailable' });
    const other = await openTestRig({ config: { provider: { timeout: '200ms' } } });
    other.provider.faults.hold('token');
    expect((await login(other.agent)).json()).toMatchObject({ code: 'provider_unavailable' });
  });
});

/** The claims of a token under another header, without a signature: the result ends in a full stop. */
function withHeader(token: unknown, header: Record<string, unknown>): string {
  const [, payload = ''] = String(token).split('.');
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`;
}
