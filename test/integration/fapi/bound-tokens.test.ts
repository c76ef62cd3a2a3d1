import { describe, expect, it, onTestFinished } from 'vitest';
import { createProofVerifier } from '../../../testkit/dpop/proof-verifier.ts';
import { requireProof } from '../../../testkit/dpop/protected-upstream.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';
import { dpopKeysIn } from '../../../testkit/secrets/dpop-keys.ts';
import { partsOfPrivateKey } from '../../../testkit/secrets/private-keys.ts';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { authority, LIFE, openFapi, strictProvider, tlsSection } from './fixture.ts';

const POLLING = { timeout: 20_000 };
const WEAK = 'error="insufficient_user_authentication"';
const certificate = authority.issue();
const byKey = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  id_token_signed_response_alg: 'ES256',
  authorization_signed_response_alg: 'ES256',
  jwks: { keys: [publicJwk('P-256', { kid: 'key-1' })] },
} as const;
const section = {
  profile: 'fapi2',
  par: 'required',
  clientAuthentication: 'private_key_jwt',
  idTokenSignedResponseAlg: 'ES256',
};

/** How tokens are bound, and the API that requires it. */
const bindings = {
  DPoP: {
    path: '/api',
    client: { ...byKey, dpop_bound_access_tokens: true },
    provider: { ...section, dpop: true, tls: { ca: authority.certificate } },
  },
  mTLS: {
    path: '/bound',
    client: { ...byKey, tls_client_certificate_bound_access_tokens: true },
    provider: { ...section, tls: tlsSection(certificate) },
  },
};

/** A gateway on a Redis of its own, without its read cache; the user is signed in. */
async function open(binding: keyof typeof bindings) {
  const { path, client, provider } = bindings[binding];
  const redis = await startRedis({ args: ['--appendonly', 'yes'] });
  onTestFinished(() => redis.close());
  const fixture = await openFapi({
    client,
    provider,
    config: {
      keys: [{ key: pem('P-256'), keyId: 'key-1' }],
      session: { store: redis.url, cache: { maxAge: '0s' } },
    },
    options: strictProvider,
    baseUrl: 'https://app.example.test',
    toApi: certificate,
    routeScopes: ['openid'],
  });
  const { real, upstream, api } = fixture;
  let aheadMs = 0;
  const verifier = createProofVerifier({ clock: () => Date.now() + aheadMs });
  const tokens: string[] = [];
  let challenge: string | undefined;
  upstream.respond(
    requireProof(
      {
        origin: upstream.url,
        verifier,
        thumbprintOf: async (token) =>
          real.isAccessTokenActive(token) ? (await real.instance.AccessToken.find(token))?.jkt : undefined,
      },
      async (request, response, record) => {
        tokens.push(record.header('authorization') ?? '');
        if (challenge === undefined) return echo(request, response, record);
        response.writeHead(401, { 'www-authenticate': challenge }).end();
        challenge = undefined;
      },
    ),
  );
  const { authorizationUrl } = await beginLogin(fixture.agent);
  // The only moment at which Redis has the key of the session where the test can read it.
  const sessionKeys = await dpopKeysIn([await redis.dump()], fixture.agent.received());
  for (const key of sessionKeys) canaries.keep('DPoP key', key);
  await fixture.agent.navigate(authorizationUrl.href);
  const isDpop = binding === 'DPoP';
  return {
    ...fixture,
    redis,
    /** The private key of the session, with DPoP. */
    sessionKeys,
    verifier,
    call: async (suffix = '/one', agent = fixture.agent) => (await agent.fetch(path + suffix)).status,
    expire: () => {
      aheadMs += LIFE;
      fixture.advance(LIFE);
    },
    /** The accepted `Authorization` fields, in order. */
    tokens: isDpop ? tokens : api.tokens,
    /** Makes the API ask for a stronger sign-in once, and returns where it is. */
    askForSignIn: async () => {
      if (isDpop) challenge = `DPoP ${WEAK}`;
      else api.challenge = `Bearer ${WEAK}`;
      return ((await fixture.agent.fetch(`${path}/weak`)).json() as { loginUrl: string }).loginUrl;
    },
  };
}

describe.each(['DPoP', 'mTLS'] as const)('a session with tokens that %s binds', (binding) => {
  it('refreshes once for fifty requests to two gateways, and spends one refresh token (standards: G6)', async () => {
    const { agent, replica, call, expire, spent, refreshes } = await open(binding);
    const elsewhere = await replica();
    expire();
    const calls = Array.from({ length: 50 }, (_, at) => call(`/${at}`, at % 2 === 0 ? agent : elsewhere));
    expect(await Promise.all(calls)).toEqual(calls.map(() => 200));
    expect(refreshes()).toBe(1);
    expect(spent()).toEqual([1, 0]);
  });

  it('outlives an outage of Redis, and refreshes with the same binding afterwards (standards: E24)', async () => {
    const { agent, redis, call, expire, spent, verifier } = await open(binding);
    expect(await call()).toBe(200);
    await redis.stop();
    expire();
    expect(await call()).toBe(503);
    await redis.start();
    await expect.poll(() => call(), POLLING).toBe(200);
    expect(spent()).toEqual([1, 0]);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    expect(new Set(verifier.thumbprints).size).toBe(binding === 'DPoP' ? 1 : 0);
  });

  it('gets bound tokens by a step-up, and the old session ends (standards: H8)', async () => {
    const { agent, replica, call, tokens, askForSignIn, verifier } = await open(binding);
    const loginUrl = await askForSignIn();
    const old = await replica();
    await agent.navigate(loginUrl, { from: 'page' });
    expect(await call()).toBe(200);
    expect(await call('/two', old)).toBe(401);
    expect(new Set(tokens).size).toBe(2);
    expect(new Set(verifier.thumbprints).size).toBe(binding === 'DPoP' ? 2 : 0);
  });

  it('has a bound token for each audience, also after a refresh (standards: H9)', async () => {
    const { call, tokens, expire, spent, verifier } = await open(binding);
    expect([await call(), await call('/narrow/one')]).toEqual([200, 200]);
    expire();
    expect([await call(), await call('/narrow/one')]).toEqual([200, 200]);
    expect(new Set(tokens).size).toBe(4);
    expect(spent()).toEqual([1, 1, 1, 0]);
    expect(new Set(verifier.thumbprints).size).toBe(binding === 'DPoP' ? 1 : 0);
  });

  it('revokes its tokens at the sign-out, in every gateway', async () => {
    const { agent, replica, call, fake } = await open(binding);
    expect(await call()).toBe(200);
    const elsewhere = await replica();
    expect(await call('/two', elsewhere)).toBe(200);
    expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(fake.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([false]);
    expect(await call('/three', elsewhere)).toBe(401);
  });

  it('keeps its keys out of Redis, the log and every response (standards: H4)', async () => {
    const { agent, redis, call, expire, gateway, tokens, sessionKeys } = await open(binding);
    expect(await call()).toBe(200);
    expire();
    expect(await call()).toBe(200);
    const everything = [await redis.dump(), gateway.logs(), agent.received()].join('\n');
    expect(everything).toContain(':session:');
    const accessTokens = tokens.map((field) => field.replace(/^\w+ /, ''));
    expect(accessTokens).toHaveLength(2);
    expect(sessionKeys).toHaveLength(binding === 'DPoP' ? 1 : 0);
    const configured = [certificate.key, pem('P-256')].flatMap(partsOfPrivateKey);
    const isShown = (secret: string) => everything.includes(secret);
    expect([...accessTokens, ...sessionKeys, ...configured].filter(isShown)).toEqual([]);
  });
});
