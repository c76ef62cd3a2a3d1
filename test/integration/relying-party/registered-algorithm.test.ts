import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logoutClaims } from '../../../testkit/secrets/logout-token.ts';
import { createKey } from './signing.ts';
import { type Fixture, openFixture } from './fixture.ts';

const rs256 = createKey('RS256', 'rs');
const es256 = createKey('ES256', 'es');
let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture({
    config: { provider: { idTokenSignedResponseAlg: 'ES256' } },
    metadata: { id_token_signing_alg_values_supported: ['RS256', 'ES256'] },
  });
  fixture.publish(rs256.jwk, es256.jwk);
});

afterEach(() => fixture.close());

describe('provider.idTokenSignedResponseAlg (standards: C8)', () => {
  it('accepts ID tokens with the algorithm of the registration', async () => {
    fixture.mint((claims) => es256.sign(claims));
    await fixture.expectLogin();
  });

  it('rejects ID tokens with another algorithm, although the provider announces it', async () => {
    fixture.mint((claims) => rs256.sign(claims));
    await fixture.expectRefusal(/alg/);
  });

  it('applies to logout tokens', async () => {
    const post = (token: string) =>
      fixture.agent.fetch('/auth/backchannel-logout', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `logout_token=${token}`,
      });
    const claims = () => logoutClaims(fixture.provider, { sub: 'alice' });
    expect((await post(rs256.sign(claims(), { typ: 'logout+jwt' }))).status).toBe(400);
    expect((await post(es256.sign(claims(), { typ: 'logout+jwt' }))).status).toBe(200);
  });
});

describe('provider.audiences (standards: C5)', () => {
  it('signs users in with ID tokens that also have these audiences, and keeps their sessions', async () => {
    await fixture.close();
    fixture = await openFixture({ config: { provider: { audiences: ['https://api.example.test'] } } });
    fixture.provider.patchIdToken = (claims) => ({ ...claims, aud: ['web', 'https://api.example.test'] });
    await fixture.expectLogin();
    fixture.provider.patchIdToken = (claims) => ({
      ...claims,
      aud: ['https://api.example.test', 'web'],
      name: 'Alice Renamed',
    });
    fixture.advance(301_000);
    expect((await fixture.agent.fetch('/api/two')).status).toBe(200);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Renamed' },
    });
  });
});
