import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKey, type SigningKey } from './signing.ts';
import { type Fixture, openFixture } from './fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture({ metadata: { id_token_signing_alg_values_supported: ['RS256', 'ES256'] } });
});

afterEach(() => fixture.close());

/** Makes the provider sign with a key, which it publishes with others. */
function signWith(key: SigningKey, header: Record<string, unknown>, ...published: object[]): void {
  fixture.publish(...published);
  fixture.mint((claims) => key.sign(claims, header));
}

describe('the key that an ID token names (standards: C18)', () => {
  it.each(['RS256', 'ES256'] as const)('is found among several keys for %s', async (alg) => {
    const key = createKey(alg, 'right');
    signWith(key, {}, createKey('RS256', 'r').jwk, key.jwk, createKey('ES256', 'e').jwk);
    await fixture.expectLogin();
  });

  it('can match two published keys and either verifies the token', async () => {
    const twins = [createKey('RS256', 'twin'), createKey('RS256', 'twin')] as const;
    for (const twin of twins) {
      signWith(twin, {}, twins[0].jwk, twins[1].jwk);
      await fixture.expectLogin();
    }
  });

  it('is not confused with keys of the same kid for another use or algorithm', async () => {
    const key = createKey('RS256', 'k');
    const others = [
      { ...createKey('RS256', 'k').jwk, use: 'enc' },
      { ...createKey('RS256', 'k').jwk, alg: 'RS512' },
      createKey('ES256', 'k').jwk,
    ];
    signWith(key, {}, ...others, key.jwk);
    await fixture.expectLogin();
    signWith(createKey('RS256', 'k'), {}, ...others, key.jwk);
    fixture.agent.cookies.clear();
    fixture.upstream.requests.length = 0;
    await fixture.expectRefusal(/signature/);
  });

  it.each([
    ['for encryption only', { use: 'enc' }],
    ['for another algorithm only', { alg: 'RS384' }],
    ['for signing only', { key_ops: ['sign'] }],
    ['of another key type', { kty: 'EC' }],
  ])('is not used when it is %s', async (_what, change) => {
    const key = createKey('RS256', 'k');
    signWith(key, {}, { ...key.jwk, ...change });
    await fixture.expectRefusal(/no applicable key/);
  });

  it.each([
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'k' }],
    ['nothing', undefined],
  ])('is not found when the provider publishes %s', async (_what, published) => {
    signWith(createKey('RS256', 'k'), {}, ...(published === undefined ? [] : [published]));
    await fixture.expectRefusal(/no applicable key/);
  });

  it('is never taken from the token or fetched from a URL in the token (standards: C8)', async () => {
    const key = createKey('RS256', 'mine');
    const url = `${fixture.upstream.url}/keys`;
    signWith(key, { jku: url, x5u: url, jwk: key.jwk, kid: '../../keys' }, createKey('RS256', 'k').jwk);
    await fixture.expectRefusal(/no applicable key/);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    ['a critical extension', { crit: ['exp'], exp: 1 }],
    ['an unencoded payload', { crit: ['b64'], b64: false }],
    ['no algorithm', { alg: undefined }],
    ['an algorithm that is not a string', { alg: ['RS256'] }],
  ])('does not verify a token whose header has %s (standards: C8)', async (_what, header) => {
    const key = createKey('RS256', 'k');
    signWith(key, header, key.jwk);
    await fixture.expectRefusal(/^the ID token is invalid/);
  });
});

describe('a newly published key (standards: C17)', () => {
  it('is fetched immediately even shortly after the last fetch', async () => {
    for (const kid of ['first', 'second', 'third']) {
      const key = createKey('RS256', kid);
      signWith(key, {}, key.jwk);
      await fixture.expectLogin();
    }
    expect(fixture.keyReads()).toBe(3);
  });

  it.each([['the same kid', 'same'] as const, ['no kid', undefined] as const])(
    'is fetched when it has %s',
    async (_what, kid) => {
      for (let round = 0; round < 2; round += 1) {
        const key = createKey('RS256', kid);
        signWith(key, {}, key.jwk);
        await fixture.expectLogin();
      }
      expect(fixture.keyReads()).toBe(2);
    },
  );

  it('is fetched for a refresh', async () => {
    await fixture.expectLogin();
    await fixture.provider.swapKeys();
    fixture.provider.patchIdToken = (claims) => ({ ...claims, name: 'Alice Renamed' });
    fixture.advance(301_000);
    expect((await fixture.agent.fetch('/api/two')).status).toBe(200);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({
      claims: { name: 'Alice Renamed' },
    });
  });

  it('is fetched once for concurrent logins', async () => {
    await fixture.expectLogin();
    await fixture.provider.swapKeys();
    const browsers = Array.from({ length: 8 }, () => fixture.browser());
    await Promise.all(browsers.map((browser) => browser.signIn()));
    expect(fixture.keyReads()).toBe(2);
  });

  it('is fetched at a limited rate when tokens name unknown keys', async () => {
    const key = createKey('RS256', 'forged');
    let logins = 0;
    const statuses = new Map<number, number>();
    fixture.stopClock();
    fixture.mint((claims) => key.sign(claims, { kid: `forged-${logins}` }));
    for (; logins < 60; logins += 1) {
      const { status } = await fixture.login();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    // Ten reads at once, the first of them for a login that then needs another.
    expect(fixture.keyReads()).toBe(10);
    expect(Object.fromEntries(statuses)).toEqual({ 400: 9, 503: 51 });
    // Other users can still sign in, and a new key is found within seconds.
    fixture.provider.patchTokenResponse = undefined;
    await fixture.expectLogin();
    await fixture.provider.swapKeys();
    fixture.advance(6_000);
    expect((await fixture.login()).status).toBe(303);
  });
});
