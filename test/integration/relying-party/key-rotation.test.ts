import { createServer } from 'node:http';
import type { JWTPayload } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LoopbackServer, listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { createKey, signByHmac, type SigningKey, unsignedJwt } from './signing.ts';
import { type Fixture, openFixture } from './fixture.ts';

const LIFE = 301_000;
const published = createKey('RS256', 'published');
const unpublished = createKey('RS256', 'unpublished');
let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
  signWith(published);
  fixture.publish(published.jwk);
});

afterEach(() => fixture.close());

/** Makes the provider sign its ID tokens with a key. */
function signWith(key: SigningKey, change: Partial<JWTPayload> = {}): void {
  fixture.mint((claims) => key.sign({ ...claims, ...change }));
}

/** Lets the access token expire, calls the API, and returns the session that the page then gets. */
async function refresh(path = '/api/two'): Promise<unknown> {
  fixture.advance(LIFE);
  expect((await fixture.agent.fetch(path)).status).toBe(200);
  const session = (await fixture.agent.fetch('/auth/session')).json();
  expect(session).toMatchObject({ authenticated: true });
  return Reflect.get(Object(Reflect.get(Object(session), 'claims')), 'name');
}

const warnings = () =>
  fixture.gateway
    .logs()
    .split('\n')
    .filter((line) => line.includes('"level":"warn"') && line.includes('refreshed ID token'));

const metadataReads = () =>
  fixture.provider.requests.filter(({ endpoint }) => endpoint === 'discovery').length;

describe('a refreshed ID token that cannot be verified (standards: C20, G21)', () => {
  const renamed = { name: 'Alice Renamed' };

  it.each<[string, (claims: JWTPayload) => string, RegExp]>([
    ['names a key that is not published yet', (claims) => unpublished.sign(claims), /no applicable key/],
    [
      'is signed with a new key under the old kid',
      (claims) => unpublished.sign(claims, { kid: 'published' }),
      /signature verification failed/,
    ],
    ['uses an unannounced algorithm', (claims) => createKey('ES256', 'e').sign(claims), /alg/],
    ['is not signed', (claims) => `${unsignedJwt(claims, { alg: 'none' })}.`, /alg/],
    ['is signed with a shared secret', (claims) => signByHmac(claims, 'secret'), /alg/],
    ['has an additional audience', (claims) => published.sign({ ...claims, aud: ['web', 'other'] }), /aud/],
    ['was issued to another client as well', (claims) => published.sign({ ...claims, azp: 'other' }), /azp/],
    ['is encrypted', () => 'eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d', /./],
    ['is not a JWT', () => 'opaque', /JWT/],
  ])('keeps the tokens, the session and its claims when it %s', async (_what, make, reason) => {
    await fixture.expectLogin();
    fixture.mint((claims) => make({ ...claims, ...renamed }));
    expect(await refresh('/api/two')).toBe('Alice Example');
    expect(await refresh('/api/three')).toBe('Alice Example');
    expect(fixture.provider.tokenLedger()).toMatchObject([
      { spent: 1 },
      { spent: 1 },
      { spent: 0, familyAlive: true },
    ]);
    expect(fixture.provider.requests.filter(({ endpoint }) => endpoint === 'revoke')).toEqual([]);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatch(reason);
  });

  it('still ends the session when it is about another user', async () => {
    await fixture.expectLogin();
    signWith(unpublished, { sub: 'mallory' });
    fixture.advance(LIFE);
    expect((await fixture.agent.fetch('/api/two')).json()).toMatchObject({ code: 'session_expired' });
    expect(fixture.upstream.requests).toHaveLength(1);
  });

  it('is no hint at the sign-out, where the verified one stays', async () => {
    let verified: string | undefined;
    fixture.mint((claims) => (verified = published.sign(claims)));
    await fixture.expectLogin();
    signWith(unpublished, renamed);
    await refresh();
    const { chain } = await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
    const endSessionUrl = new URL(chain[0]?.header('location') ?? '');
    expect(endSessionUrl.searchParams.get('id_token_hint')).toBe(verified);
  });

  it('updates the claims as soon as its key is published', async () => {
    await fixture.expectLogin();
    signWith(unpublished, renamed);
    expect(await refresh('/api/two')).toBe('Alice Example');
    fixture.publish(unpublished.jwk);
    expect(await refresh('/api/three')).toBe('Alice Renamed');
  });

  it('is logged again after another one has been verified', async () => {
    await fixture.expectLogin();
    for (const key of [unpublished, published, unpublished]) {
      signWith(key);
      await refresh();
    }
    expect(warnings()).toHaveLength(2);
  });
});

describe('the metadata of the provider (standards: C17)', () => {
  const es256 = createKey('ES256', 'es256');

  it('is fetched again when the provider changes its algorithm, so that sign-ins and claims work again', async () => {
    await fixture.expectLogin();
    fixture.provider.metadata['id_token_signing_alg_values_supported'] = ['ES256'];
    fixture.publish(es256.jwk);
    signWith(es256, { name: 'Alice Renamed' });
    expect(await refresh()).toBe('Alice Renamed');
    const other = fixture.browser();
    await other.signIn();
    expect((await other.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    expect(metadataReads()).toBe(2);
    expect(warnings()).toEqual([]);
  });

  it('does not make sign-ins accept an algorithm that it does not announce', async () => {
    await fixture.expectLogin();
    fixture.agent.cookies.clear();
    fixture.upstream.requests.length = 0;
    fixture.publish(es256.jwk);
    signWith(es256);
    await fixture.expectRefusal(/alg/);
    expect(metadataReads()).toBe(2);
  });

  it('is fetched again at a limited rate, whatever tokens arrive', async () => {
    fixture.stopClock();
    signWith(es256);
    for (let login = 0; login < 20; login += 1) expect((await fixture.login()).status).toBe(400);
    expect(metadataReads()).toBe(1 + 4);
    fixture.provider.metadata['id_token_signing_alg_values_supported'] = ['ES256'];
    fixture.publish(es256.jwk);
    fixture.advance(30_000);
    await fixture.expectLogin();
  });

  it('is not fetched again for a token without a signature', async () => {
    fixture.mint((claims) => `${unsignedJwt(claims, { alg: 'none' })}.`);
    await fixture.expectRefusal(/alg/);
    expect(metadataReads()).toBe(1);
  });

  describe('with a new jwks_uri', () => {
    let keys: LoopbackServer;

    beforeEach(async () => {
      keys = await listenOnLoopback(
        createServer((_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify({ keys: [unpublished.jwk] }));
        }),
      );
    });

    afterEach(() => keys.stop());

    it('is fetched again when no key of the old one fits', async () => {
      await fixture.expectLogin();
      fixture.provider.metadata['jwks_uri'] = `http://127.0.0.1:${keys.port}/keys`;
      signWith(unpublished, { name: 'Alice Renamed' });
      expect(await refresh()).toBe('Alice Renamed');
      fixture.agent.cookies.clear();
      await fixture.expectLogin();
    });
  });
});
