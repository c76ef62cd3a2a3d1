import type { JWTPayload } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { createKey, unsignedJwt } from './signing.ts';
import { type Fixture, type FixtureOptions, openFixture } from './fixture.ts';

let fixture: Fixture;

async function open(options?: FixtureOptions): Promise<Fixture> {
  return (fixture = await openFixture(options));
}

afterEach(() => fixture.close());

/** Makes the provider sign a text as claims, which may contain values that no object can hold. */
function mintText(change: (claims: JWTPayload) => string): void {
  const key = createKey('RS256', 'k');
  fixture.publish(key.jwk);
  fixture.mint((claims) => key.sign(change(claims)));
}

describe('the time claims of an ID token (standards: C10)', () => {
  it.each([
    ['1e999', '"exp"'],
    ['-1', '"exp"'],
    ['"4102444800"', '"exp"'],
    ['true', '"exp"'],
    ['null', '"exp"'],
    ['[4102444800]', '"exp"'],
    ['NaN', 'JSON'],
  ])('must be numbers: an exp of %s is rejected', async (exp, reason) => {
    await open();
    mintText(({ exp: _exp, ...claims }) => `${JSON.stringify(claims).slice(0, -1)},"exp":${exp}}`);
    await fixture.expectRefusal(new RegExp(reason));
  });

  it.each<[string, (now: number) => JWTPayload]>([
    ['iat was an hour ago', (now) => ({ iat: now - 3_600 })],
    ['iat is five minutes ahead', (now) => ({ iat: now + 300 })],
    ['nbf is five minutes ahead', (now) => ({ nbf: now + 300 })],
    ['exp was five minutes ago', (now) => ({ iat: now - 360, exp: now - 300 })],
  ])('must be current: the token is rejected when %s', async (_what, change) => {
    await open();
    fixture.provider.patchIdToken = ({ iat = 0, ...claims }) => ({ ...claims, iat, ...change(iat) });
    await fixture.expectRefusal(/"(?:iat|nbf|exp)"/);
  });

  it.each([45_000, -45_000])('may come from a clock that is %i ms off', async (offset) => {
    await open();
    fixture.provider.clockOffsetMs = offset;
    fixture.provider.patchIdToken = (claims) => ({ ...claims, nbf: claims.iat ?? 0 });
    expect((await fixture.login()).status).toBe(303);
  });

  it('may be five minutes old when the token is issued', async () => {
    await open();
    fixture.provider.patchIdToken = ({ iat = 0, ...claims }) => ({
      ...claims,
      iat: iat - 300,
      nbf: iat - 300,
    });
    await fixture.expectLogin();
  });
});

describe('a requirement in the authorization request (standards: C14)', () => {
  it('with max_age demands a recent auth_time in the ID token', async () => {
    await open({ config: { provider: { authorizationParams: { max_age: '600' } } } });
    await fixture.expectLogin();
    for (const authTime of [undefined, 'now', 0, -1]) {
      fixture.provider.patchIdToken = (claims) => ({ ...claims, auth_time: authTime });
      expect((await fixture.login()).json()).toMatchObject({
        reason: expect.stringContaining('"auth_time"'),
      });
    }
    fixture.provider.patchIdToken = ({ iat = 0, ...claims }) => ({ ...claims, iat, auth_time: iat - 700 });
    expect((await fixture.login()).json()).toMatchObject({ reason: expect.stringContaining('max_age') });
  });

  it('with acr_values demands one of them in the ID token', async () => {
    await open({ config: { provider: { authorizationParams: { acr_values: 'gold silver' } } } });
    for (const acr of [undefined, 'bronze', 'gold silver', ['gold']]) {
      fixture.provider.patchIdToken = (claims) => ({ ...claims, acr });
      await fixture.expectRefusal(/"acr"/);
    }
    fixture.provider.patchIdToken = (claims) => ({ ...claims, acr: 'silver' });
    await fixture.expectLogin();
  });

  it('keeps the existing session when a login does not meet it', async () => {
    await open({ config: { provider: { authorizationParams: { max_age: '600' } } } });
    await fixture.expectLogin();
    fixture.provider.patchIdToken = ({ auth_time: _time, ...claims }) => claims;
    expect((await fixture.login()).status).toBe(400);
    expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
  });
});

describe('an ID token in another format (standards: C27)', () => {
  const parts = ['', '', '', ''].map((_part, index) => Buffer.from(`part ${index}`).toString('base64url'));

  it.each([
    ['encrypted', { alg: 'RSA-OAEP', enc: 'A256GCM' }],
    ['compressed and encrypted', { alg: 'dir', enc: 'A256GCM', zip: 'DEF' }],
  ])('is rejected without decryption or decompression when it is %s', async (_what, header) => {
    await open();
    const head = Buffer.from(JSON.stringify(header)).toString('base64url');
    fixture.mint(() => [head, ...parts].join('.'));
    await fixture.expectRefusal(/^none of keys can decrypt the ID token/);
  });

  it.each([
    ['has no claims', unsignedJwt('', { alg: 'RS256', kid: 'k' })],
    ['has a list as claims', unsignedJwt('[]', { alg: 'RS256', kid: 'k' })],
    ['has a string as header', `${Buffer.from('"alg"').toString('base64url')}.e30`],
    ['has a megabyte of claims', unsignedJwt(`{"x":"${'x'.repeat(700_000)}"}`, { alg: 'RS256' })],
  ])('is rejected when it %s', async (_what, unsigned) => {
    await open();
    fixture.mint(() => `${unsigned}.c2ln`);
    await fixture.expectRefusal(/^the ID token is invalid/);
  });

  it('is rejected when it is a logout token', async () => {
    await open();
    const logout = await fixture.provider.sign(
      {
        iss: fixture.provider.issuer,
        aud: 'web',
        sub: 'alice',
        jti: 'x',
        events: {},
        iat: 1,
        exp: 4_102_444_800,
      },
      'logout+jwt',
    );
    fixture.mint(() => logout);
    await fixture.expectRefusal(/"iat"|"nonce"/);
  });
});

describe('the subject of an ID token (standards: C12)', () => {
  it.each([['s'.repeat(256)], [''], [7], [null], [['alice']], [{}]])(
    'must be a string of 1 to 255 characters: a sub of %j is rejected',
    async (sub) => {
      await open();
      mintText((claims) => JSON.stringify({ ...claims, sub }));
      await fixture.expectRefusal(/"sub"/);
    },
  );

  it.each(['s'.repeat(255), 'auth0|5f7c8ec7c33c6c004bbafe82', '__proto__', 'a b'])(
    'can be any such string: %s',
    async (sub) => {
      await open();
      fixture.provider.patchIdToken = (claims) => ({ ...claims, sub });
      await fixture.expectLogin();
      expect((await fixture.agent.fetch('/auth/session')).json()).toMatchObject({ subject: sub });
    },
  );
});
