import type { JWTPayload } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { authorize, beginLogin, refreshUrlOf } from '../../../testkit/gateway/login-steps.ts';
import { createKey, signByHmac, unsignedJwt } from './signing.ts';
import { PATIENCE, type Fixture, type FixtureOptions, expectNobody, openFixture } from './fixture.ts';

/*
 * The modules of the OpenID conformance suite for relying parties that are about the code flow, by their names
 * (`oidcc-client-test` and the client modules of the final FAPI 2.0 security profile).
 */

let fixture: Fixture;

async function open(options?: FixtureOptions): Promise<Fixture> {
  return (fixture = await openFixture(options));
}

afterEach(() => fixture.close());

/** Changes claims; undefined removes a claim. */
const changed = (change: Record<string, unknown>) => (claims: JWTPayload) =>
  ({ ...claims, ...change }) as JWTPayload;

/** A valid signature of another token. */
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
    await fixture.expectLogin();
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect(fixture.upstream.requests[0]?.bearer).toBe(fixture.provider.secrets(['access_token']).at(-1));
  });

  it.each(['client_secret_basic', 'client_secret_post'] as const)(
    'oidcc-client-test-client-secret-basic: authenticates the client by %s (standards: A1)',
    async (authentication) => {
      await open({ config: { provider: { clientAuthentication: authentication } } });
      fixture.provider.client.authentication = authentication;
      await fixture.expectLogin();
      const request = fixture.provider.requests.find(({ endpoint }) => endpoint === 'token');
      expect(request?.authorization === undefined).toBe(authentication === 'client_secret_post');
    },
  );

  it('oidcc-client-test-nonce-unless-code-flow: sends a nonce in the code flow as well (standards: C26)', async () => {
    await open();
    const { nonce = '' } = parametersOf(await beginLogin(fixture.agent));
    expect(nonce.length).toBeGreaterThanOrEqual(22);
    expect(nonce.length).toBeLessThanOrEqual(64);
  });

  it('oidcc-client-test-scope-userinfo-claims: requests the configured scopes', async () => {
    const scopes = ['openid', 'profile', 'email', 'phone', 'address'];
    await open({ config: { provider: { scopes } } });
    expect(parametersOf(await beginLogin(fixture.agent))['scope']).toBe(scopes.join(' '));
  });

  it('oidcc-client-test-userinfo-*: takes the claims from the ID token without a userinfo request (standards: C19)', async () => {
    await open();
    await fixture.expectLogin();
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Example' },
    });
    expect(fixture.provider.requests.map(({ endpoint }) => endpoint)).not.toContain('userinfo');
  });

  it('oidcc-client-test-3rd-party-init-login: completes a login begun by another site at / of the app (standards: C22)', async () => {
    await open();
    const query = new URLSearchParams({
      iss: fixture.provider.issuer,
      login_hint: 'carol',
      target_link_uri: 'https://evil.example/',
    });
    const headers = { 'sec-fetch-site': 'cross-site' };
    const hop = await fixture.agent.get(`/auth/login?${query}`, { headers });
    const { chain } = await fixture.agent.navigate(refreshUrlOf(hop));
    expect(chain.map(({ url }) => new URL(url).origin)).not.toContain('https://evil.example');
    expect(chain[0]?.header('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(chain.at(-1)?.url).toBe(`${fixture.gateway.url}/`);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'carol' });
  });

  it('oidcc-client-test-3rd-party-init-login: ignores an iss that names another provider (standards: C22)', async () => {
    await open();
    const begun = await beginLogin(fixture.agent, '?iss=https%3A%2F%2Fevil.example');
    expect(begun.authorizationUrl.origin).toBe(fixture.provider.issuer);
  });
});

describe('oidcc-client-test, the signature of an ID token (standards: C7, C8, C9)', () => {
  it('oidcc-client-test-idtoken-sig-rs256: accepts a valid RS256 signature', async () => {
    await open();
    fixture.provider.signWith('RS256');
    await fixture.expectLogin();
  });

  it('oidcc-client-test-idtoken-sig-none: rejects an ID token without a signature', async () => {
    await open();
    fixture.provider.signWith('none');
    await fixture.expectRefusal(/"alg"/);
  });

  it('oidcc-client-test-invalid-sig-rs256: rejects an invalid RS256 signature', async () => {
    await open();
    fixture.provider.patchTokenResponse = (json) => ({
      ...json,
      id_token: withSignatureOfAnother(String(json['id_token'])),
    });
    await fixture.expectRefusal(/signature/);
  });

  it('oidcc-client-test-invalid-sig-es256: rejects an invalid ES256 signature and accepts a valid one', async () => {
    await open({ metadata: { id_token_signing_alg_values_supported: ['ES256'] } });
    const key = createKey('ES256', 'e1');
    fixture.publish(key.jwk);
    fixture.mint((claims) => withSignatureOfAnother(key.sign(claims)));
    await fixture.expectRefusal(/signature/);
    fixture.mint((claims) => key.sign(claims));
    await fixture.expectLogin();
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
    fixture.mint((claims) => make(claims, fixture.provider.client.secret));
    await fixture.expectRefusal(/"alg"/);
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
    fixture.provider.patchIdToken = patch;
    await fixture.expectRefusal(reason);
  });

  it('oidcc-client-test-missing-athash: accepts an ID token without at_hash in the code flow (standards: C13)', async () => {
    await open();
    fixture.provider.patchIdToken = changed({ at_hash: undefined });
    await fixture.expectLogin();
  });
});

describe('oidcc-client-test, the keys of a provider (standards: C17, C18)', () => {
  it('oidcc-client-test-kid-absent-single-jwks: uses the only key for a token without a kid', async () => {
    await open();
    const key = createKey('RS256');
    fixture.publish(key.jwk);
    fixture.mint((claims) => key.sign(claims));
    await fixture.expectLogin();
  });

  it('oidcc-client-test-kid-absent-multiple-jwks: tries each key for a token without a kid', async () => {
    await open();
    const keys = [createKey('RS256', 'a'), createKey('RS256', 'b')] as const;
    fixture.publish(keys[0].jwk, keys[1].jwk);
    for (const key of keys) {
      fixture.mint((claims) => key.sign(claims, { kid: undefined }));
      await fixture.expectLogin();
    }
  });

  it('oidcc-client-test-signing-key-rotation: verifies a second login with a key published after the first', async () => {
    await open();
    await fixture.expectLogin();
    await fixture.provider.swapKeys();
    await fixture.expectLogin();
    expect(fixture.keyReads()).toBe(2);
  });

  it('oidcc-client-test-signing-key-rotation-just-before-signing: verifies a login with a key published during it', async () => {
    await open();
    await fixture.expectLogin();
    const callback = await authorize(fixture.agent, await beginLogin(fixture.agent));
    await fixture.provider.swapKeys();
    expect((await fixture.agent.get(callback.href)).status).toBe(303);
  });
});

describe('oidcc-client-test, discovery (standards: C1, B18)', () => {
  it('oidcc-client-test-discovery-openid-config: uses the endpoints from the metadata', async () => {
    await open();
    const begun = await beginLogin(fixture.agent);
    expect(begun.authorizationUrl.href).toContain(
      `${String(fixture.provider.metadata['authorization_endpoint'])}?`,
    );
    await fixture.expectLogin();
    expect(fixture.provider.requests[0]?.endpoint).toBe('discovery');
  });

  it('oidcc-client-test-discovery-jwks-uri-keys: uses the keys from the jwks_uri in the metadata', async () => {
    await open();
    const key = createKey('RS256', 'published');
    fixture.publish(key.jwk);
    fixture.mint((claims) => key.sign(claims));
    await fixture.expectLogin();
  });

  it('oidcc-client-test-discovery-issuer-mismatch: redirects nobody to a provider with another issuer', async () => {
    await open({ metadata: { issuer: 'https://other.example' } });
    const response = await fixture.agent.get('/auth/login');
    expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(response.header('location')).toBeUndefined();
  });
});

describe('oidcc-client-test, refresh (standards: C20)', () => {
  it('oidcc-client-test-refresh-token: redeems the refresh token and uses the new access token', async () => {
    await open();
    await fixture.expectLogin();
    fixture.advance(301_000);
    expect((await fixture.agent.fetch('/api/two')).status).toBe(200);
    const [first, second] = fixture.upstream.requests;
    expect(second?.bearer).not.toBe(first?.bearer);
    expect(fixture.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it.each([
    ['oidcc-client-test-refresh-token-invalid-issuer', { iss: 'https://other.example' }],
    ['oidcc-client-test-refresh-token-invalid-sub', { sub: 'mallory' }],
    ['a refreshed ID token for another client', { aud: 'other' }],
  ])('%s: ends the session and never uses the new access token', async (_module, claims) => {
    await open();
    await fixture.expectLogin();
    fixture.provider.patchIdToken = (given) => ({ ...given, ...claims });
    fixture.advance(301_000);
    expect((await fixture.agent.fetch('/api/two')).json()).toMatchObject({ code: 'session_expired' });
    expect(fixture.upstream.requests).toHaveLength(1);
    await vi.waitFor(() => expect(fixture.provider.families).toMatchObject([{ alive: false }]), PATIENCE);
  });
});

describe('oidcc-client-test, logout at the provider (standards: D4, D5)', () => {
  const logout = async () => {
    await fixture.expectLogin();
    const { chain } = await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
    return chain.map(({ url }) => new URL(url));
  };

  it('oidcc-client-test-rp-init-logout: redirects the browser to the provider with a hint and back to the app', async () => {
    await open();
    const way = await logout();
    expect(way.map(({ pathname }) => pathname)).toEqual(['/auth/logout', '/end_session', '/']);
    expect(way[1]?.searchParams.get('id_token_hint')).toMatch(/^eyJ/);
    expect(fixture.provider.families).toMatchObject([{ alive: false }]);
  });

  it.each([
    ['oidcc-client-test-rp-init-logout-no-state', '/'],
    ['oidcc-client-test-rp-init-logout-other-state', '/?state=other'],
  ])('%s: the session is ended regardless of the state in the redirect', async (_module, home) => {
    await open();
    await logout();
    expect((await fixture.agent.navigate(home)).response.status).toBeLessThan(500);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  });
});

describe('fapi2-security-profile-final-client-test', () => {
  it('happy-path: signs in and calls an API', async () => {
    await open();
    await fixture.expectLogin();
  });

  it('refresh-token-test: replays a call after a 401 with a new token, twice', async () => {
    await open();
    await fixture.expectLogin();
    for (const call of ['/api/two', '/api/three']) {
      fixture.provider.revokeAccessToken(fixture.upstream.requests.at(-1)?.bearer ?? '');
      expect((await fixture.agent.fetch(call)).status).toBe(200);
    }
    expect(fixture.upstream.requests.map(({ status }) => status)).toEqual([200, 401, 200, 401, 200]);
    expect(new Set(fixture.upstream.requests.map(({ bearer }) => bearer)).size).toBe(3);
    expect(fixture.provider.tokenLedger()).toMatchObject([{ spent: 1 }, { spent: 1 }, { spent: 0 }]);
  });

  it('token-endpoint-response-without-expires_in: accepts the token response', async () => {
    await open();
    fixture.provider.patchTokenResponse = (json) => ({ ...json, expires_in: undefined });
    await fixture.expectLogin();
  });

  it.each(['bearer', 'BEARER', 'bEaReR'])(
    'token-type-case-insensitivity: accepts the token_type %s',
    async (type) => {
      await open();
      fixture.provider.patchTokenResponse = (json) => ({ ...json, token_type: type });
      await fixture.expectLogin();
    },
  );

  it('valid-aud-as-array: accepts the ID token', async () => {
    await open();
    fixture.provider.patchIdToken = changed({ aud: ['web'] });
    await fixture.expectLogin();
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
    fixture.provider.patchIdToken = patch;
    await fixture.expectRefusal(reason);
  });

  it('invalid-null-alg: rejects the ID token', async () => {
    await open();
    fixture.mint((claims) => `${unsignedJwt(claims, { alg: 'none' })}.`);
    await fixture.expectRefusal(/"alg"/);
  });

  it('invalid-alternate-alg: rejects a valid signature with an algorithm that the provider does not announce', async () => {
    await open();
    const key = createKey('ES256', 'e1');
    fixture.publish(key.jwk);
    fixture.mint((claims) => key.sign(claims));
    await fixture.expectRefusal(/"alg"/);
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
    fixture.provider.patchAuthorizationResponse = patch;
    expect((await fixture.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect(fixture.provider.tokenCalls()).toBe(0);
    fixture.agent.cookies.clear();
    await expectNobody(fixture);
  });
});
