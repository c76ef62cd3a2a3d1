import type { JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../testkit/redis-server.ts';
import { createKey, unsignedJwt } from './signing.ts';
import { PATIENCE, type Stage, expectNobody, openStage } from './stage.ts';

let redis: RedisServer;
let stage: Stage;

beforeAll(async () => {
  redis = await startRedis();
});

beforeEach(async () => {
  stage = await openStage({ store: redis.url });
});

afterEach(() => stage.close());
afterAll(() => redis.close());

/** Expects that the tokens of the login before were given back, and that nothing is left of it anywhere. */
async function expectGivenBack(): Promise<void> {
  const [book] = stage.provider.tokenLedger();
  await vi.waitFor(() => {
    const revoked = stage.provider.requests.filter(({ endpoint }) => endpoint === 'revoke');
    expect(revoked.map(({ form }) => form)).toMatchObject([
      { token: book?.token, token_type_hint: 'refresh_token' },
    ]);
    expect(stage.provider.families).toMatchObject([{ alive: false, endedBecause: 'revoked' }]);
  }, PATIENCE);
  expect(book).toMatchObject({ spent: 0 });
  expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
  await expectNobody(stage);
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
    stage.provider.patchIdToken = patch;
    expect((await stage.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it.each<[string, (claims: JWTPayload) => unknown]>([
    ['is not signed', (claims) => `${unsignedJwt(claims, { alg: 'none' })}.`],
    ['is signed by an unknown key', (claims) => createKey('RS256', 'k9').sign(claims)],
    ['is not a JWT', () => 'x'],
    ['is missing', () => undefined],
  ])('are not used and are revoked when the ID token %s', async (_what, make) => {
    stage.provider.patchTokenResponse = (json) => ({ ...json, id_token: make({}) });
    expect((await stage.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it('are revoked when the JWKS to verify it is unavailable', async () => {
    stage.provider.faults.jwks = { status: 503 };
    expect((await stage.login()).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    await expectGivenBack();
  });

  it('are revoked later when the provider cannot revoke them immediately', async () => {
    stage.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    stage.provider.faults.revoke = { status: 503, times: 1 };
    expect((await stage.login()).status).toBe(400);
    await vi.waitFor(() => expect(stage.provider.families).toMatchObject([{ alive: false }]), PATIENCE);
  });

  it('do not delay the response and need no revocation endpoint', async () => {
    const other = await openStage({ store: redis.url, metadata: { revocation_endpoint: undefined } });
    other.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    await other.expectRefusal(/"nonce"/);
    await other.close();

    const held = stage.provider.faults.hold('revoke');
    stage.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    expect((await stage.login()).status).toBe(400);
    await held.waiting();
    held.release();
  });
});
