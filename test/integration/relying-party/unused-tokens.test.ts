import type { JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { createKey, unsignedJwt } from './signing.ts';
import { PATIENCE, type Fixture, expectNobody, openFixture } from './fixture.ts';

let redis: RedisServer;
let fixture: Fixture;

beforeAll(async () => {
  redis = await startRedis();
});

beforeEach(async () => {
  fixture = await openFixture({ store: redis.url });
});

afterEach(() => fixture.close());
afterAll(() => redis.close());

/** Expects that the tokens of the previous login were revoked, and that no trace of it remains. */
async function expectGivenBack(): Promise<void> {
  const [entry] = fixture.provider.tokenLedger();
  await vi.waitFor(() => {
    const revoked = fixture.provider.requests.filter(({ endpoint }) => endpoint === 'revoke');
    expect(revoked.map(({ form }) => form)).toMatchObject([
      { token: entry?.token, token_type_hint: 'refresh_token' },
    ]);
    expect(fixture.provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  }, PATIENCE);
  expect(entry).toMatchObject({ spent: 0 });
  expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
  await expectNobody(fixture);
}

describe('the tokens issued together with a rejected ID token (standards: B5)', () => {
  it.each<[string, (claims: JWTPayload) => JWTPayload]>([
    ['has another nonce', (claims) => ({ ...claims, nonce: 'other' })],
    ['has no nonce', ({ nonce: _nonce, ...claims }) => claims],
    ['is from another issuer', (claims) => ({ ...claims, iss: 'https://other.example' })],
    ['is for another client', (claims) => ({ ...claims, aud: 'other' })],
    ['has no subject', ({ sub: _sub, ...claims }) => claims],
    ['has expired', (claims) => ({ ...claims, exp: (claims.iat ?? 0) - 300 })],
    ['belongs to another access token', (claims) => ({ ...claims, at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ])('are not used and are revoked when the ID token %s', async (_what, patch) => {
    fixture.provider.patchIdToken = patch;
    expect((await fixture.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it.each<[string, (claims: JWTPayload) => unknown]>([
    ['is not signed', (claims) => `${unsignedJwt(claims, { alg: 'none' })}.`],
    ['is signed by an unknown key', (claims) => createKey('RS256', 'k9').sign(claims)],
    ['is not a JWT', () => 'x'],
    ['is missing', () => undefined],
  ])('are not used and are revoked when the ID token %s', async (_what, make) => {
    fixture.provider.patchTokenResponse = (json) => ({ ...json, id_token: make({}) });
    expect((await fixture.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it('are revoked when the JWKS to verify it is unavailable', async () => {
    fixture.provider.faults.jwks = { status: 503 };
    expect((await fixture.login()).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    await expectGivenBack();
  });

  it('are revoked later when the provider cannot revoke them immediately', async () => {
    fixture.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    fixture.provider.faults.revoke = { status: 503, times: 1 };
    expect((await fixture.login()).status).toBe(400);
    await vi.waitFor(() => expect(fixture.provider.families).toMatchObject([{ alive: false }]), PATIENCE);
  });

  it('do not delay the response and need no revocation endpoint', async () => {
    const other = await openFixture({ store: redis.url, metadata: { revocation_endpoint: undefined } });
    other.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    await other.expectRefusal(/"nonce"/);
    await other.close();

    const held = fixture.provider.faults.hold('revoke');
    fixture.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    expect((await fixture.login()).status).toBe(400);
    await held.waiting();
    held.release();
  });
});
