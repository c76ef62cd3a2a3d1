import type { JWTPayload } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { authorize, beginLogin } from '../../../testkit/login-steps.ts';
import { createKey, signByHmac, unsignedJwt } from './signing.ts';
import { PATIENCE, type Stage, type StageOptions, expectNobody, openStage } from './stage.ts';

/*
 * The modules of the OpenID conformance suite for relying parties that are about the code flow, by their names
 * (`oidcc-client-test` and the client modules of the final FAPI 2.0 security profile).
 */

let stage: Stage;

async function open(options?: StageOptions): Promise<Stage> {
  return (stage = await openStage(options));
}

afterEach(() => stage.close());

/** Changes claims; one that is undefined goes. */
const changed = (change: Record<string, unknown>) => (claims: JWTPayload) =>
  ({ ...claims, ...change }) as JWTPayload;

/** A signature like any other, of something else. */
function withSignatureOfAnother(token: string): string {
  const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
  signature[0] = (signature[0] ?? 0) ^ 1;
  return token.slice(0, token.lastIndexOf('.') + 1) + signature.toString('base64url');
}

function parametersOf(begun: { authorizationUrl: URL }): Record<string, string> {
  return Object.fromEntries(begun.authorizationUrl.searchParams);
}

describe('oidcc-client-test, the basic flow (standards: A2, C4, C5, C11)', () => {
  it('oidcc-client-test: redeems the code, accepts the ID token and uses the access token', async () => {
    await open();
    await stage.expectLogin();
    expect((await stage.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect(stage.upstream.requests[0]?.bearer).toBe(stage.provider.secrets(['access_token']).at(-1));
  });

  it.each(['client_secret_basic', 'client_secret_post'] as const)(
    'oidcc-client-test-client-secret-basic: authenticates the client by %s (standards: A1)',
    async (authentication) => {
      await open({ config: { provider: { clientAuthentication: authentication } } });
      stage.provider.client.authentication = authentication;
      await stage.expectLogin();
      const request = stage.provider.requests.find(({ endpoint }) => endpoint === 'token');
      expect(request?.authorization === undefined).toBe(authentication === 'client_secret_post');
    },
  );

  it('oidcc-client-test-nonce-unless-code-flow: sends a nonce in the code flow as well (standards: C26)', async () => {
    await open();
    const { nonce = '' } = parametersOf(await beginLogin(stage.agent));
    expect(nonce.length).toBeGreaterThanOrEqual(22);
    expect(nonce.length).toBeLessThanOrEqual(64);
  });

  it('oidcc-client-test-scope-userinfo-claims: requests the configured scopes', async () => {
    const scopes = ['openid', 'profile', 'email', 'phone', 'address'];
    await open({ config: { provider: { scopes } } });
    expect(parametersOf(await beginLogin(stage.agent))['scope']).toBe(scopes.join(' '));
  });

  it('oidcc-client-test-userinfo-*: takes the claims from the ID token without a userinfo request (standards: C19)', async () => {
    await open();
    await stage.expectLogin();
    expect((await stage.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Example' },
    });
    expect(stage.provider.requests.map(({ endpoint }) => endpoint)).not.toContain('userinfo');
  });

  it('oidcc-client-test-3rd-party-init-login: completes a login begun by another site at / of the app (standards: C22)', async () => {
    await open();
    const query = new URLSearchParams({
      iss: stage.provider.issuer,
      login_hint: 'carol',
      target_link_uri: 'https://evil.example/',
    });
    const { chain } = await stage.agent.navigate(`/auth/login?${query}`, {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(chain.map(({ url }) => new URL(url).origin)).not.toContain('https://evil.example');
    expect(chain[0]?.header('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(chain.at(-1)?.url).toBe(`${stage.gateway.url}/`);
    expect((await stage.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'carol' });
  });

  it('oidcc-client-test-3rd-party-init-login: ignores an iss that names another provider (standards: C22)', async () => {
    await open();
    const begun = await beginLogin(stage.agent, '?iss=https%3A%2F%2Fevil.example');
    expect(begun.authorizationUrl.origin).toBe(stage.provider.issuer);
  });
});

describe('oidcc-client-test, the signature of an ID token (standards: C7, C8, C9)', () => {
  it('oidcc-client-test-idtoken-sig-rs256: accepts a valid RS256 signature', async () => {
    await open();
    stage.provider.signWith('RS256');
    await stage.expectLogin();
  });

  it('oidcc-client-test-idtoken-sig-none: rejects an ID token without a signature', async () => {
    await open();
    stage.provider.signWith('none');
    await stage.expectRefusal(/"alg"/);
  });

  it('oidcc-client-test-invalid-sig-rs256: rejects an invalid RS256 signature', async () => {
    await open();
    stage.provider.patchTokenResponse = (json) => ({
      ...json,
      id_token: withSignatureOfAnother(String(json['id_token'])),
    });
    await stage.expectRefusal(/signature/);
  });

  it('oidcc-client-test-invalid-sig-es256: rejects an invalid ES256 signature and accepts a valid one', async () => {
    await open({ metadata: { id_token_signing_alg_values_supported: ['ES256'] } });
    const key = createKey('ES256', 'e1');
    stage.publish(key.jwk);
    stage.mint((claims) => withSignatureOfAnother(key.sign(claims)));
    await stage.expectRefusal(/signature/);
    stage.mint((claims) => key.sign(claims));
    await stage.expectLogin();
  });

  it.each([
    ['an invalid signature', (claims: JWTPayload) => withSignatureOfAnother(signByHmac(claims, 'x'))],
    [
      'a signature with the client secret',
      (claims: JWTPayload, secret: string) => signByHmac(claims, secret),
    ],
    [
      'a signature with the client secret',
      (claims: JWTPayload, secret: string) => signByHmac(claims, secret, { kid: 'k1' }),
    ],
  ])('oidcc-client-test-invalid-sig-hs256: rejects %s by HS256', async (_what, make) => {
    await open({ metadata: { id_token_signing_alg_values_supported: ['RS256', 'HS256'] } });
    stage.mint((claims) => make(claims, stage.provider.client.secret));
    await stage.expectRefusal(/"alg"/);
  });
});

describe('oidcc-client-test, the claims of an ID token (standards: C4, C5, C10, C11, C12)', () => {
  it.each<[string, RegExp, (claims: JWTPayload) => JWTPayload]>([
    ['oidcc-client-test-invalid-iss', /"iss"/, changed({ iss: 'https://other.example' })],
    ['oidcc-client-test-invalid-aud', /"aud"/, changed({ aud: 'other' })],
    ['oidcc-client-test-missing-aud', /"aud"/, changed({ aud: undefined })],
    ['oidcc-client-test-missing-sub', /"sub"/, changed({ sub: undefined })],
    ['oidcc-client-test-missing-iat', /"iat"/, changed({ iat: undefined })],
    ['oidcc-client-test-nonce-invalid', /"nonce"/, changed({ nonce: 'other' })],
    ['oidcc-client-test-invalid-athash', /"at_hash"/, changed({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ])('%s: rejects the ID token', async (_module, reason, patch) => {
    await open();
    stage.provider.patchIdToken = patch;
    await stage.expectRefusal(reason);
  });

  it('oidcc-client-test-missing-athash: accepts an ID token without at_hash in the code flow (standards: C13)', async () => {
    await open();
    stage.provider.patchIdToken = changed({ at_hash: undefined });
    await stage.expectLogin();
  });
});

describe('oidcc-client-test, the keys of a provider (standards: C17, C18)', () => {
  it('oidcc-client-test-kid-absent-single-jwks: uses the only key for a token without a kid', async () => {
    await open();
    const key = createKey('RS256');
    stage.publish(key.jwk);
    stage.mint((claims) => key.sign(claims));
    await stage.expectLogin();
  });

  it('oidcc-client-test-kid-absent-multiple-jwks: tries each key for a token without a kid', async () => {
    await open();
    const keys = [createKey('RS256', 'a'), createKey('RS256', 'b')] as const;
    stage.publish(keys[0].jwk, keys[1].jwk);
    for (const key of keys) {
      stage.mint((claims) => key.sign(claims, { kid: undefined }));
      await stage.expectLogin();
    }
  });

  it('oidcc-client-test-signing-key-rotation: verifies a second login with a key published after the first', async () => {
    await open();
    await stage.expectLogin();
    await stage.provider.swapKeys();
    await stage.expectLogin();
    expect(stage.keyReads()).toBe(2);
  });

  it('oidcc-client-test-signing-key-rotation-just-before-signing: verifies a login with a key published during it', async () => {
    await open();
    await stage.expectLogin();
    const callback = await authorize(stage.agent, await beginLogin(stage.agent));
    await stage.provider.swapKeys();
    expect((await stage.agent.get(callback.href)).status).toBe(303);
  });
});

describe('oidcc-client-test, discovery (standards: C1, B18)', () => {
  it('oidcc-client-test-discovery-openid-config: uses the endpoints from the metadata', async () => {
    await open();
    const begun = await beginLogin(stage.agent);
    expect(begun.authorizationUrl.href).toContain(
      `${String(stage.provider.metadata['authorization_endpoint'])}?`,
    );
    await stage.expectLogin();
    expect(stage.provider.requests[0]?.endpoint).toBe('discovery');
  });

  it('oidcc-client-test-discovery-jwks-uri-keys: uses the keys from the jwks_uri in the metadata', async () => {
    await open();
    const key = createKey('RS256', 'published');
    stage.publish(key.jwk);
    stage.mint((claims) => key.sign(claims));
    await stage.expectLogin();
  });

  it('oidcc-client-test-discovery-issuer-mismatch: redirects nobody to a provider with another issuer', async () => {
    await open({ metadata: { issuer: 'https://other.example' } });
    const answer = await stage.agent.get('/auth/login');
    expect(answer.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(answer.header('location')).toBeUndefined();
  });
});

describe('oidcc-client-test, refresh (standards: C20)', () => {
  it('oidcc-client-test-refresh-token: redeems the refresh token and uses the new access token', async () => {
    await open();
    await stage.expectLogin();
    stage.advance(301_000);
    expect((await stage.agent.fetch('/api/two')).status).toBe(200);
    const [first, second] = stage.upstream.requests;
    expect(second?.bearer).not.toBe(first?.bearer);
    expect(stage.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it.each([
    ['oidcc-client-test-refresh-token-invalid-issuer', { iss: 'https://other.example' }],
    ['oidcc-client-test-refresh-token-invalid-sub', { sub: 'mallory' }],
    ['a refreshed ID token with another azp', { azp: 'other' }],
    ['a refreshed ID token with an additional audience', { aud: ['web', 'other'] }],
  ])('%s: ends the session and never uses the new access token', async (_module, claims) => {
    await open();
    await stage.expectLogin();
    stage.provider.patchIdToken = (given) => ({ ...given, ...claims });
    stage.advance(301_000);
    expect((await stage.agent.fetch('/api/two')).json()).toMatchObject({ code: 'session_expired' });
    expect(stage.upstream.requests).toHaveLength(1);
    await vi.waitFor(() => expect(stage.provider.families).toMatchObject([{ alive: false }]), PATIENCE);
  });
});

describe('oidcc-client-test, logout at the provider (standards: D4, D5)', () => {
  const logout = async () => {
    await stage.expectLogin();
    const { chain } = await stage.agent.navigate('/auth/logout', { from: 'page', form: {} });
    return chain.map(({ url }) => new URL(url));
  };

  it('oidcc-client-test-rp-init-logout: redirects the browser to the provider with a hint and back to the app', async () => {
    await open();
    const way = await logout();
    expect(way.map(({ pathname }) => pathname)).toEqual(['/auth/logout', '/end_session', '/']);
    expect(way[1]?.searchParams.get('id_token_hint')).toMatch(/^eyJ/);
    expect(stage.provider.families).toMatchObject([{ alive: false }]);
  });

  it.each([
    ['oidcc-client-test-rp-init-logout-no-state', '/'],
    ['oidcc-client-test-rp-init-logout-other-state', '/?state=other'],
  ])('%s: the session is ended regardless of the state in the redirect', async (_module, home) => {
    await open();
    await logout();
    expect((await stage.agent.navigate(home)).response.status).toBeLessThan(500);
    expect((await stage.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });
});

describe('fapi2-security-profile-final-client-test', () => {
  it('happy-path: signs in and calls an API', async () => {
    await open();
    await stage.expectLogin();
  });

  it('refresh-token-test: replays a call after a 401 with a new token, twice', async () => {
    await open();
    await stage.expectLogin();
    for (const call of ['/api/two', '/api/three']) {
      stage.provider.revokeAccessToken(stage.upstream.requests.at(-1)?.bearer ?? '');
      expect((await stage.agent.fetch(call)).status).toBe(200);
    }
    expect(stage.upstream.requests.map(({ status }) => status)).toEqual([200, 401, 200, 401, 200]);
    expect(new Set(stage.upstream.requests.map(({ bearer }) => bearer)).size).toBe(3);
    expect(stage.provider.tokenLedger()).toMatchObject([{ spent: 1 }, { spent: 1 }, { spent: 0 }]);
  });

  it('token-endpoint-response-without-expires_in: accepts the token response', async () => {
    await open();
    stage.provider.patchTokenResponse = (json) => ({ ...json, expires_in: undefined });
    await stage.expectLogin();
  });

  it.each(['bearer', 'BEARER', 'bEaReR'])(
    'token-type-case-insensitivity: accepts the token_type %s',
    async (type) => {
      await open();
      stage.provider.patchTokenResponse = (json) => ({ ...json, token_type: type });
      await stage.expectLogin();
    },
  );

  it('valid-aud-as-array: accepts the ID token', async () => {
    await open();
    stage.provider.patchIdToken = changed({ aud: ['web'] });
    await stage.expectLogin();
  });

  it.each<[string, RegExp, (claims: JWTPayload) => JWTPayload]>([
    ['invalid-aud', /"aud"/, changed({ aud: 'web1' })],
    ['invalid-secondary-aud', /"aud"/, changed({ aud: ['web', 'https://other.example'] })],
    ['invalid-iss', /"iss"/, ({ iss, ...claims }) => ({ ...claims, iss: `${iss}invalid` })],
    ['invalid-missing-aud', /"aud"/, changed({ aud: undefined })],
    ['invalid-missing-exp', /"exp"/, changed({ exp: undefined })],
    ['invalid-missing-iss', /"iss"/, changed({ iss: undefined })],
    ['invalid-missing-nonce', /"nonce"/, changed({ nonce: undefined })],
    ['invalid-nonce', /"nonce"/, ({ nonce, ...claims }) => ({ ...claims, nonce: `${String(nonce)}1` })],
    ['invalid-expired-exp', /"exp"/, ({ iat = 0, ...claims }) => ({ ...claims, iat, exp: iat - 300 })],
  ])('%s', async (_module, reason, patch) => {
    await open();
    stage.provider.patchIdToken = patch;
    await stage.expectRefusal(reason);
  });

  it('invalid-null-alg: rejects the ID token', async () => {
    await open();
    stage.mint((claims) => `${unsignedJwt(claims, { alg: 'none' })}.`);
    await stage.expectRefusal(/"alg"/);
  });

  it('invalid-alternate-alg: rejects a valid signature with an algorithm that the provider does not announce', async () => {
    await open();
    const key = createKey('ES256', 'e1');
    stage.publish(key.jwk);
    stage.mint((claims) => key.sign(claims));
    await stage.expectRefusal(/"alg"/);
  });

  it.each<[string, (sent: Record<string, string>) => Record<string, string>]>([
    ['invalid-authorization-response-iss', (sent) => ({ ...sent, iss: `${sent['iss']}1` })],
    ['remove-authorization-response-iss', ({ iss: _iss, ...sent }) => sent],
    [
      'ensure-authorization-response-with-invalid-state-fails',
      (sent) => ({ ...sent, state: `${sent['state']}1` }),
    ],
    ['ensure-authorization-response-with-invalid-missing-state-fails', ({ state: _state, ...sent }) => sent],
  ])('%s: rejects the response and does not redeem the code', async (_module, patch) => {
    await open();
    stage.provider.patchAuthorizationResponse = patch;
    expect((await stage.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect(stage.provider.tokenCalls()).toBe(0);
    stage.agent.cookies.clear();
    await expectNobody(stage);
  });
});
