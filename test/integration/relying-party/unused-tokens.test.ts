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
  const [book] = stage.provider.books();
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

describe('the tokens beside an ID token that is refused (standards: B5)', () => {
  it.each<[string, (claims: JWTPayload) => JWTPayload]>([
    ['is of another nonce', (claims) => ({ ...claims, nonce: 'other' })],
    ['has no nonce', ({ nonce: _nonce, ...claims }) => claims],
    ['is of another issuer', (claims) => ({ ...claims, iss: 'https://other.example' })],
    ['is for another client', (claims) => ({ ...claims, aud: 'other' })],
    ['is of nobody', ({ sub: _sub, ...claims }) => claims],
    ['is over', (claims) => ({ ...claims, exp: (claims.iat ?? 0) - 300 })],
    ['is of another access token', (claims) => ({ ...claims, at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ])('are used for nothing and revoked, when it %s', async (_what, patch) => {
    stage.provider.patchIdToken = patch;
    expect((await stage.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it.each<[string, (claims: JWTPayload) => unknown]>([
    ['is not signed', (claims) => `${unsignedJwt(claims, { alg: 'none' })}.`],
    ['is signed by a key of nobody', (claims) => createKey('RS256', 'k9').sign(claims)],
    ['is no JWT', () => 'x'],
    ['is not there', () => undefined],
  ])('are used for nothing and revoked, when it %s', async (_what, make) => {
    stage.provider.patchTokenResponse = (json) => ({ ...json, id_token: make({}) });
    expect((await stage.login()).json()).toMatchObject({ status: 400, code: 'login_failed' });
    await expectGivenBack();
  });

  it('are given back as well when the keys to judge it by are away', async () => {
    stage.provider.faults.jwks = { status: 503 };
    expect((await stage.login()).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    await expectGivenBack();
  });

  it('are given back later, where the provider cannot take them now', async () => {
    stage.provider.patchIdToken = (claims) => ({ ...claims, nonce: 'other' });
    stage.provider.faults.revoke = { status: 503, times: 1 };
    expect((await stage.login()).status).toBe(400);
    await vi.waitFor(() => expect(stage.provider.families).toMatchObject([{ alive: false }]), PATIENCE);
  });

  it('do not hold up the answer, and need no endpoint for it', async () => {
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
