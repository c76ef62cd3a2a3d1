import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSigningKeys } from '../../../src/crypto/signing-keys.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createProvider } from '../../../src/provider/kinds.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import type { Provider } from '../../../src/provider/provider.ts';
import { type LoopbackServer, listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { collectLog } from '../../unit/log-lines.ts';
import { createSigningKey } from '../../unit/provider/signing-key.ts';

const SHORT = 300;
const LONG = 10_000;
/** Beyond a short timeout and the grace that follows it, within a long one. */
const SLOW = 1_500;

const signingKey = await createSigningKey('key-1');
let server: LoopbackServer;
let origin: string;
let nonce: string | undefined;
/** The paths that take {@link SLOW} to respond. */
const slow = new Set<string>();
const open: Provider[] = [];

beforeEach(async () => {
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '/', origin);
    request.resume();
    if (slow.has(pathname)) await sleep(SLOW, undefined, { ref: false });
    const body = await bodyAt(pathname);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const http = createServer((request, response) => void respond(request, response));
  server = await listenOnLoopback(http);
  origin = `http://127.0.0.1:${server.port}`;
});

afterEach(async () => {
  for (const provider of open.splice(0)) provider.close();
  slow.clear();
  nonce = undefined;
  await server.stop();
});

async function bodyAt(path: string): Promise<unknown> {
  switch (path) {
    case '/.well-known/openid-configuration':
      return {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        jwks_uri: `${origin}/jwks`,
        revocation_endpoint: `${origin}/revoke`,
        backchannel_authentication_endpoint: `${origin}/decoupled`,
        id_token_signing_alg_values_supported: ['ES256'],
      };
    case '/jwks':
      return { keys: [signingKey.jwk] };
    case '/decoupled':
      return { auth_req_id: 'request-1', expires_in: 60 };
    case '/me':
      return { sub: 'ada' };
    default: {
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: origin, aud: 'web', sub: 'ada', nonce, iat: now, exp: now + 60 };
      const tokens = { access_token: 'at', token_type: 'Bearer', expires_in: 60, refresh_token: 'rt' };
      return { ...tokens, id_token: await signingKey.sign(claims) };
    }
  }
}

const sections = {
  oidc: () => ({ type: 'oidc', issuer: origin, login: 'decoupled', ...client }),
  oauth2: () => ({
    type: 'oauth2',
    authorizationEndpoint: `${origin}/authorize`,
    tokenEndpoint: `${origin}/token`,
    revocationEndpoint: `${origin}/revoke`,
    userinfoEndpoint: `${origin}/me`,
    login: 'decoupled',
    decoupledEndpoint: `${origin}/decoupled`,
    decoupledTokenEndpoint: `${origin}/token`,
    ...client,
  }),
  credentials: () => ({
    type: 'credentials',
    login: { url: `${origin}/login`, body: { user: '{username}', password: '{password}' } },
    refresh: { url: `${origin}/token`, body: { token: '{refreshToken}' } },
    response: { accessToken: '/access_token', refreshToken: '/refresh_token' },
  }),
};
const client = { clientId: 'web', clientSecret: 'canary-secret' };
type Kind = keyof typeof sections;

function connect(
  kind: Kind,
  { timeoutMs, refreshTimeoutMs }: { timeoutMs: number; refreshTimeoutMs: number },
) {
  const { provider: config } = parseConfig({
    baseUrl: 'http://localhost:3000',
    provider: { ...sections[kind](), timeout: `${timeoutMs}ms` },
    session: { secrets: ['canary-session-secret-Zk3vQ9xT7mLw2RbY'] },
  });
  const provider = createProvider({
    config,
    redirectUri: 'http://localhost:3000/auth/callback',
    sessionClaims: [],
    refreshTimeoutMs,
    signingKeys: createSigningKeys([]),
    clock: Date.now,
    log: collectLog().log,
    metrics: createMetrics(),
  });
  open.push(provider);
  return provider;
}

const refresh = (provider: Provider) =>
  provider.refresh({
    refreshToken: 'rt-0',
    subject: 'ada',
    audience: { id: '', scopes: [], resources: [] },
    maySend: () => true,
  });

async function redirectSignIn({ redirectLogin }: Provider) {
  if (redirectLogin === undefined) throw new Error('there is no redirect');
  const { attempt } = await redirectLogin.begin({ parameters: {} });
  nonce = attempt.nonce;
  const callback = new URL(`http://localhost:3000/auth/callback?code=c&state=${attempt.state}`);
  return redirectLogin.finish(callback, attempt);
}
const passwordSignIn = async ({ passwordLogin }: Provider) =>
  passwordLogin?.signIn({ username: 'ada', password: 'canary-password' });
const decoupledSignIn = async ({ decoupledLogin }: Provider) => decoupledLogin?.begin({ loginHint: 'ada' });

describe.each<Kind>(['oidc', 'oauth2', 'credentials'])('a refresh at a provider of type %s', (kind) => {
  beforeEach(() => slow.add('/token'));

  it('may take longer than provider.timeout', async () => {
    const provider = connect(kind, { timeoutMs: SHORT, refreshTimeoutMs: LONG });
    expect(await refresh(provider)).toMatchObject({ kind: 'refreshed' });
  });

  it('may not take longer than refresh.timeout', async () => {
    const provider = connect(kind, { timeoutMs: LONG, refreshTimeoutMs: SHORT });
    expect(await refresh(provider)).toMatchObject({ kind: 'ambiguous' });
  });
});

const calls: Array<[Kind, string, string, (provider: Provider) => Promise<unknown>]> = [
  ['oidc', 'discovery', '/.well-known/openid-configuration', (provider) => provider.diagnose()],
  ['oidc', 'the sign-in by redirect', '/token', redirectSignIn],
  ['oidc', 'the fetch of the JWKS', '/jwks', redirectSignIn],
  ['oidc', 'the decoupled sign-in', '/decoupled', decoupledSignIn],
  ['oauth2', 'the first call', '/', (provider) => provider.diagnose()],
  ['oauth2', 'the sign-in by redirect', '/token', redirectSignIn],
  ['oauth2', 'the call of the userinfo endpoint', '/me', redirectSignIn],
  ['oauth2', 'the decoupled sign-in', '/decoupled', decoupledSignIn],
  ['credentials', 'the first call', '/', (provider) => provider.diagnose()],
  ['credentials', 'the sign-in by password', '/login', passwordSignIn],
];

describe.each(calls)('at a provider of type %s, %s', (kind, _what, path, call) => {
  beforeEach(() => slow.add(path));

  it('may not take longer than provider.timeout', async () => {
    const provider = connect(kind, { timeoutMs: SHORT, refreshTimeoutMs: LONG });
    await expect(call(provider)).rejects.toMatchObject({ code: 'provider_unavailable' });
  });

  it('may take longer than refresh.timeout', async () => {
    const provider = connect(kind, { timeoutMs: LONG, refreshTimeoutMs: SHORT });
    await expect(call(provider)).resolves.toBeTruthy();
  });
});

describe.each<Kind>(['oidc', 'oauth2'])('a revocation at a provider of type %s', (kind) => {
  beforeEach(() => slow.add('/revoke'));

  it('may not take longer than provider.timeout', async () => {
    const provider = connect(kind, { timeoutMs: SHORT, refreshTimeoutMs: LONG });
    expect(await provider.revoke('rt-0')).toMatchObject({ kind: 'failed' });
  });

  it('may take longer than refresh.timeout', async () => {
    const provider = connect(kind, { timeoutMs: LONG, refreshTimeoutMs: SHORT });
    expect(await provider.revoke('rt-0')).toEqual({ kind: 'revoked' });
  });
});
