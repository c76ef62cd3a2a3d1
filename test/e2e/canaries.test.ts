import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKeyRing } from '../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../src/crypto/sealed-cookie.ts';
import { beginLogin } from '../../testkit/gateway/login-steps.ts';
import { SESSION_SECRET } from '../../testkit/gateway/gateway-config.ts';
import { requireProof } from '../../testkit/dpop/protected-upstream.ts';
import { createProofVerifier, thumbprintInToken } from '../../testkit/dpop/proof-verifier.ts';
import { createCertificateAuthority } from '../../testkit/network/certificate-authority.ts';
import { type Program, runProgram } from '../../testkit/processes/program.ts';
import { dpopKeysIn } from '../../testkit/secrets/dpop-keys.ts';
import { partsOfPrivateKey } from '../../testkit/secrets/private-keys.ts';
import { type Behaviour, requireToken, status } from '../../testkit/upstream/behaviours.ts';
import { hangUp } from '../../testkit/upstream/streams.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';
import { jwk, pem, publicJwk } from '../unit/config/keys.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

/** How long and how often to poll, in milliseconds. */
const patiently = { timeout: 60_000, interval: 50 };

const ADMIN_TOKEN = 'canary-admin-token-of-the-complete-flow';

/** A configuration with DPoP, and a private key wherever there may be one. */
const certificate = createCertificateAuthority().issue();
const withPrivateKeys = {
  provider: {
    dpop: true,
    clientAuthentication: 'private_key_jwt',
    clientSecret: undefined,
    privateKey: pem('P-256'),
    keyId: 'key-1',
    tls: { certificate: certificate.cert, key: certificate.key },
  },
  keys: [{ key: jwk('ed25519') }, { key: pem('rsa'), use: 'enc' }],
};
const privateKeys = [pem('P-256'), jwk('ed25519'), pem('rsa'), certificate.key].flatMap(partsOfPrivateKey);

let fixture: Fixture;
let program: Program;
let agent: UserAgent;
let metrics: string;
/** What an operator gets from the admin listener. */
let admin: string;
/** The output of `--print-config`. */
let printed: string;
/** How the API behaves while it works. */
let protect: Behaviour;
const dumps: string[] = [];

/** Runs the flow with bearer tokens, or with tokens that are bound to a key of their session. */
async function run({ dpop }: { dpop: boolean }): Promise<void> {
  dumps.length = 0;
  fixture = await openFixture();
  const { provider, upstream } = fixture;
  protect = requireToken(provider.isAccessTokenActive, status(200, {}, 'served'));
  if (dpop) {
    provider.proofs = createProofVerifier();
    provider.client.authentication = 'private_key_jwt';
    provider.client.keys = [publicJwk('P-256', { kid: 'key-1' })];
    protect = requireProof(
      {
        origin: upstream.url,
        verifier: createProofVerifier(),
        thumbprintOf: (token) => (provider.isAccessTokenActive(token) ? thumbprintInToken(token) : undefined),
      },
      status(200, {}, 'served'),
    );
  }
  const config = { admin: { token: ADMIN_TOKEN } };
  program = await fixture.start({ config: dpop ? { ...config, ...withPrivateKeys } : config });
  agent = fixture.browser(program);
  await signInAndRefresh();
  await refuseAndFail();
  await loseTheStore();
  dumps.push(await fixture.redis.dump());
  await askAsOperator();
  await signOut();
}

const call = async (path: string) => (await agent.fetch(path)).status;
const currentToken = () => fixture.provider.families[0]?.accessTokens.at(-1)?.token ?? '';

/** An error from a careless provider, with everything it knows. */
const blabbing = (error: string) => ({ error, error_description: fixture.provider.secrets().join(' ') });

/** Sign-in, calls, a WebSocket, an access token that expires and one that is rejected before its expiry. */
async function signInAndRefresh(): Promise<void> {
  const { provider, upstream } = fixture;
  upstream.respond(protect);
  provider.accessTokenLifetime = 1;
  const { authorizationUrl } = await beginLogin(agent, '?returnTo=/app%3Fview=1');
  dumps.push(await fixture.redis.dump());
  await agent.navigate(authorizationUrl.href);
  expect(await call('/auth/session')).toBe(200);
  const socket = await agent.websocket('/socket/live');
  socket.send('hello');
  expect(await socket.next()).toBe('hello');
  await vi.waitUntil(() => !provider.isAccessTokenActive(currentToken()), patiently);
  provider.accessTokenLifetime = 300;
  expect(await call('/api/expired')).toBe(200);
  provider.revokeAccessToken(currentToken());
  expect(await call('/api/revoked?secret=canary-query')).toBe(200);
  dumps.push(await fixture.redis.dump());
}

/** Signs in with another browser, and gives what the app learns of the failure. */
async function failedSignIn(): Promise<string | null> {
  const { chain } = await fixture.browser(program).navigate('/auth/login', { from: 'page' });
  const location = chain.find(({ url }) => new URL(url).pathname === '/auth/callback')?.header('location');
  return new URL(location ?? '', fixture.provider.issuer).searchParams.get('auth_error');
}

/** A provider and an upstream that fail or reject, in refreshes and in sign-ins. */
async function refuseAndFail(): Promise<void> {
  const { provider, upstream } = fixture;
  provider.revokeAccessToken(currentToken());
  provider.faults.token = { status: 401, body: blabbing('invalid_client'), times: 1 };
  expect(await call('/api/misconfigured')).toBe(503);
  provider.faults.token = { status: 500, body: blabbing('server_error') };
  expect(await call('/api/provider-down')).toBe(503);
  expect(await failedSignIn()).toBe('provider_unavailable');
  provider.faults.clear();

  provider.faults.token = { status: 400, body: blabbing('invalid_grant'), times: 1 };
  expect(await failedSignIn()).toBe('refused');
  expect(await call('/auth/callback?code=canary-code&state=canary-state')).toBe(400);

  await vi.waitUntil(async () => (await call('/api/recovered')) === 200, patiently);
  upstream.respond(status(500, {}, 'broken'));
  expect(await call('/api/broken')).toBe(500);
  upstream.respond(hangUp);
  expect(await call('/api/hung-up')).toBe(502);
  upstream.respond(protect);
}

/** A Redis that stops responding during a refresh, and one that rejects writes. */
async function loseTheStore(): Promise<void> {
  const { provider, redis } = fixture;
  provider.revokeAccessToken(currentToken());
  const hold = provider.faults.hold('token');
  const served = call('/api/paused');
  await hold.waiting();
  redis.pause();
  hold.release();
  expect(await served).toBe(200);
  redis.resume();
  await vi.waitUntil(async () => (await call('/api/resumed')) === 200, patiently);

  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  expect(await failedSignIn()).toBe('store_unavailable');
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
}

/** The configuration and the sessions, as operators see them. */
async function askAsOperator(): Promise<void> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const paths = ['/sessions?subject=alice', '/people?search=alice', '/events', '/history', '/readyz'];
  const responses = paths.map(async (path) => {
    const response = await fetch(program.adminUrl + path, { headers });
    return `${path} ${response.status} ${await response.text()}`;
  });
  admin = (await Promise.all(responses)).join('\n');
  const file = await readFile(program.file, 'utf8');
  printed = (await runProgram(file, { args: ['--print-config'] })).stdout;
}

/** A sign-out whose revocation fails at first and is queued; then the end of the program. */
async function signOut(): Promise<void> {
  const { provider } = fixture;
  provider.faults.revoke = { status: 500, body: blabbing('server_error') };
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  expect(await call('/api/late')).toBe(401);
  metrics = await (await fetch(`${program.adminUrl}/metrics`)).text();
  const dump = await vi.waitFor(async () => {
    const content = await fixture.redis.dump();
    expect(content).toContain('coatcheck:revocations');
    return content;
  }, patiently);
  dumps.push(dump);
  provider.faults.clear();
  await vi.waitUntil(() => provider.families[0]?.alive === false, patiently);
  expect(provider.families[0]).toMatchObject({ alive: false, endedBecause: 'revoked', reuses: 0 });
  program.signal('SIGTERM');
  expect(await program.exit).toEqual({ code: 0, signal: null });
}

/** The values of all cookies that the gateway set, and the identifier sealed in that of the session. */
async function ticketsOf({ cookies, origin }: UserAgent): Promise<string[]> {
  const values = cookies.lines
    .filter((cookie) => cookie.origin === origin)
    .map(({ line }) => /^[^=]*=([^;]*)/.exec(line)?.[1] ?? '')
    .filter((value) => value !== '');
  const seals = createSealedCookies(createKeyRing([SESSION_SECRET]), 'session-cookie');
  const opened = await Promise.all(values.map((value) => seals.unseal(value)));
  const ids = opened.flatMap((content) => (typeof content?.['id'] === 'string' ? [content['id']] : []));
  expect(ids).toHaveLength(1);
  return [...values, ...ids];
}

/** The secrets that a text contains. */
const shownIn = (text: string, secrets: readonly string[]) =>
  secrets.filter((secret) => text.includes(secret));

describe.each([
  ['bearer tokens', { dpop: false }],
  ['tokens with DPoP', { dpop: true }],
])('the complete flow with every failure at log level trace, with %s', (_tokens, mode) => {
  beforeAll(() => run(mode));
  afterAll(() => fixture.close());

  it('has a key for each session with DPoP, which appears nowhere, as no other private key does', async () => {
    const keys = await dpopKeysIn(dumps, agent.received());
    expect(keys).toHaveLength(mode.dpop ? 1 : 0);
    const output = [program.stdout(), program.stderr(), printed];
    const everything = [...output, metrics, admin, ...dumps, agent.received()].join('\n');
    expect(shownIn(everything, [...keys, ...privateKeys])).toEqual([]);
    expect(shownIn(JSON.stringify(withPrivateKeys), privateKeys)).not.toEqual([]);
  });

  it('has the provider issue secrets of every kind to search for', () => {
    const { provider } = fixture;
    // A sign-in that the store cannot keep uses no code.
    expect(provider.families).toHaveLength(1);
    expect(provider.secrets(['refresh_token']).length).toBeGreaterThanOrEqual(5);
    expect(
      provider.secrets(['code', 'code_verifier', 'id_token', 'client_secret']).length,
    ).toBeGreaterThanOrEqual(8);
  });

  it.each<[string, () => string, string]>([
    ['the log', () => program.stdout() + program.stderr(), '"session started"'],
    ['the metrics', () => metrics, 'coatcheck_refresh_total{outcome="refreshed"}'],
    ['the admin listener', () => admin, '/sessions?subject=alice 200 {"sessions":[{'],
    ['the printed configuration', () => printed, 'secrets:'],
    ['Redis', () => dumps.join('\n'), 'coatcheck:session:'],
  ])(
    'writes no token, code, verifier, client secret, cookie or session identifier to %s',
    async (_where, read, sign) => {
      const text = read();
      expect(text).toContain(sign);
      expect(shownIn(text, [...fixture.provider.secrets(), ...(await ticketsOf(agent))])).toEqual([]);
      // In any form: every secret of this test that is not signed or sealed contains the marker.
      expect(text).not.toContain('canary');
    },
  );

  it('logs every failure', () => {
    const log = program.stdout();
    for (const message of [
      'the provider rejects this client; keeping the sessions. Check the client credentials and registration',
      'token endpoint call failed; retrying',
      'request failed',
      'login failed',
      'cannot write new tokens to the store',
      'cannot revoke a refresh token; retrying later',
    ]) {
      expect(log).toContain(message);
    }
  });

  it('sends no token, verifier or client secret to the browser in any byte', () => {
    const received = agent.received();
    expect(received).toContain('served');
    const kinds = ['access_token', 'refresh_token', 'code_verifier', 'client_secret'] as const;
    expect(shownIn(received, fixture.provider.secrets(kinds))).toEqual([]);
    expect(shownIn(agent.received(program.url), fixture.provider.secrets())).toEqual([]);
    expect(agent.cookies.visibleToScripts(new URL(program.url))).toBe('');
  });
});
